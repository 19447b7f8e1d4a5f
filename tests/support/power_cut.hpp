// What a power cut leaves of SQLite's files. DiskJournal stands between SQLite and the real files and writes down every
// write, truncation, sync and removal; Disk replays them up to any point, and says what may lie on the disk then: all
// that was synced, and of the rest whatever the dice say, whole writes or torn ones.
#pragma once

#include <sqlite3.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proto/assert.hpp"
#include "proto/bytes.hpp"
#include "proto/random.hpp"

namespace presmesh::testing {

struct DiskOp {
    enum class Kind : std::uint8_t { write, truncate, sync, remove, sync_folder };
    Kind kind{};
    std::string file;         ///< without its folder
    std::int64_t offset = 0;  ///< of a write; the size after a truncation
    proto::Bytes bytes;       ///< of a write
};

/// SQLite's way to the disk for as long as it lives, of every connection opened meanwhile. Syncs are written down and
/// not done. Not for several threads.
class DiskJournal {
  public:
    DiskJournal() : real_(sqlite3_vfs_find(nullptr)), vfs_(*real_) {
        vfs_.zName = "presmesh-power-cut";
        vfs_.pAppData = this;
        vfs_.szOsFile = static_cast<int>(sizeof(File)) + real_->szOsFile;
        vfs_.xOpen = open;
        vfs_.xDelete = remove;
        sqlite3_vfs_register(&vfs_, 1);
    }
    ~DiskJournal() {
        sqlite3_vfs_register(real_, 1);
        sqlite3_vfs_unregister(&vfs_);
    }
    DiskJournal(const DiskJournal&) = delete;
    DiskJournal& operator=(const DiskJournal&) = delete;

    std::vector<DiskOp> ops;

  private:
    struct File {
        sqlite3_file base;
        DiskJournal* journal;
        const char* path;
        bool syncs_folder;  ///< with its next sync, as SQLite's own files do when they may have been made
        sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
        const sqlite3_io_methods& methods() { return *real()->pMethods; }
    };
    static File& of(sqlite3_file* file) { return *reinterpret_cast<File*>(file); }
    static std::string name_of(const char* path) { return std::filesystem::path(path).filename().string(); }
    static DiskJournal& of(sqlite3_vfs* vfs) { return *static_cast<DiskJournal*>(vfs->pAppData); }
    void note(DiskOp::Kind kind, const char* path, std::int64_t offset = 0, proto::Bytes bytes = {}) {
        ops.push_back({kind, path == nullptr ? "" : name_of(path), offset, std::move(bytes)});
    }

    static int open(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags, int* out_flags) {
        auto& self = of(vfs);
        auto& made = of(file);
        made.journal = &self;
        made.path = path;  // lives as long as the file
        made.syncs_folder =
            (flags & SQLITE_OPEN_CREATE) != 0 && (flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL)) != 0;
        const int code = self.real_->xOpen(self.real_, path, made.real(), flags, out_flags);
        made.base.pMethods = made.real()->pMethods == nullptr ? nullptr : &methods();
        return code;
    }
    static int remove(sqlite3_vfs* vfs, const char* path, int sync_folder) {
        auto& self = of(vfs);
        self.note(DiskOp::Kind::remove, path);
        if (sync_folder != 0) self.note(DiskOp::Kind::sync_folder, path);
        return self.real_->xDelete(self.real_, path, 0);
    }

    static int write(sqlite3_file* file, const void* data, int size, sqlite3_int64 offset) {
        auto& f = of(file);
        const auto* bytes = static_cast<const std::uint8_t*>(data);
        f.journal->note(DiskOp::Kind::write, f.path, offset, proto::Bytes(bytes, bytes + size));
        return f.methods().xWrite(f.real(), data, size, offset);
    }
    static int truncate(sqlite3_file* file, sqlite3_int64 size) {
        auto& f = of(file);
        f.journal->note(DiskOp::Kind::truncate, f.path, size);
        return f.methods().xTruncate(f.real(), size);
    }
    static int sync(sqlite3_file* file, int) {
        auto& f = of(file);
        f.journal->note(DiskOp::Kind::sync, f.path);
        if (std::exchange(f.syncs_folder, false)) f.journal->note(DiskOp::Kind::sync_folder, f.path);
        return SQLITE_OK;
    }

    /// Everything else is the real file's.
    static const sqlite3_io_methods& methods() {
        static const sqlite3_io_methods all = [] {
            sqlite3_io_methods m{};
            m.iVersion = 2;
            m.xClose = [](sqlite3_file* f) { return of(f).methods().xClose(of(f).real()); };
            m.xRead = [](sqlite3_file* f, void* into, int size, sqlite3_int64 at) {
                return of(f).methods().xRead(of(f).real(), into, size, at);
            };
            m.xWrite = write;
            m.xTruncate = truncate;
            m.xSync = sync;
            m.xFileSize = [](sqlite3_file* f, sqlite3_int64* size) {
                return of(f).methods().xFileSize(of(f).real(), size);
            };
            m.xLock = [](sqlite3_file* f, int level) { return of(f).methods().xLock(of(f).real(), level); };
            m.xUnlock = [](sqlite3_file* f, int level) { return of(f).methods().xUnlock(of(f).real(), level); };
            m.xCheckReservedLock = [](sqlite3_file* f, int* out) {
                return of(f).methods().xCheckReservedLock(of(f).real(), out);
            };
            m.xFileControl = [](sqlite3_file* f, int op, void* arg) {
                return of(f).methods().xFileControl(of(f).real(), op, arg);
            };
            m.xSectorSize = [](sqlite3_file* f) { return of(f).methods().xSectorSize(of(f).real()); };
            // Nothing is promised about writes: neither whole ones nor their order.
            m.xDeviceCharacteristics = [](sqlite3_file*) { return 0; };
            m.xShmMap = [](sqlite3_file* f, int region, int size, int extend, void volatile** out) {
                return of(f).methods().xShmMap(of(f).real(), region, size, extend, out);
            };
            m.xShmLock = [](sqlite3_file* f, int offset, int n, int flags) {
                return of(f).methods().xShmLock(of(f).real(), offset, n, flags);
            };
            m.xShmBarrier = [](sqlite3_file* f) { of(f).methods().xShmBarrier(of(f).real()); };
            m.xShmUnmap = [](sqlite3_file* f, int del) { return of(f).methods().xShmUnmap(of(f).real(), del); };
            return m;
        }();
        return all;
    }

    sqlite3_vfs* real_;
    sqlite3_vfs vfs_;
};

/// What becomes of writes that were not synced.
enum class Unsynced : std::uint8_t {
    kept,    ///< all of them: only the program was killed
    lost,    ///< none is there
    some,    ///< each is there or not, whatever their order
    sectors  ///< the same for each 512 bytes of each
};

class Disk {
  public:
    void apply(const DiskOp& op) {
        auto& file = files_[op.file];
        switch (op.kind) {
            case DiskOp::Kind::write:
            case DiskOp::Kind::truncate:
                file.pending.push_back(&op);
                break;
            case DiskOp::Kind::sync:
                file.durable = whole(file);
                file.pending.clear();
                break;
            case DiskOp::Kind::remove:
                file = {{}, {}, file.durable ? file.durable : file.removed};
                break;
            case DiskOp::Kind::sync_folder:
                for (auto& [name, known] : files_) known.removed.reset();
                break;
        }
    }

    /// The files after a cut now, by name.
    std::map<std::string, proto::Bytes> cut(Unsynced unsynced, proto::Random& random) const {
        std::map<std::string, proto::Bytes> out;
        const auto coin = [&] { return random.below(2) == 0; };
        for (const auto& [name, file] : files_) {
            const bool told = unsynced == Unsynced::kept || (unsynced != Unsynced::lost && coin());  // to the folder
            if (file.removed && !told) {
                out[name] = *file.removed;
            } else if (file.durable || (told && !file.pending.empty())) {
                auto& content = out[name] = file.durable.value_or(proto::Bytes{});
                for (const DiskOp* op : file.pending) survive(content, *op, unsynced, random);
            }
        }
        return out;
    }

  private:
    struct File {
        std::optional<proto::Bytes> durable;
        std::vector<const DiskOp*> pending;
        std::optional<proto::Bytes> removed;  ///< what comes back when the folder forgets the removal
    };

    static void put(proto::Bytes& content, std::size_t at, const std::uint8_t* data, std::size_t size) {
        if (content.size() < at + size) content.resize(at + size);
        std::copy(data, data + size, content.begin() + static_cast<std::ptrdiff_t>(at));
    }
    static void apply_whole(proto::Bytes& content, const DiskOp& op) {
        if (op.kind == DiskOp::Kind::truncate)
            content.resize(static_cast<std::size_t>(op.offset));
        else
            put(content, static_cast<std::size_t>(op.offset), op.bytes.data(), op.bytes.size());
    }
    static proto::Bytes whole(const File& file) {
        auto content = file.durable.value_or(proto::Bytes{});
        for (const DiskOp* op : file.pending) apply_whole(content, *op);
        return content;
    }
    static void survive(proto::Bytes& content, const DiskOp& op, Unsynced unsynced, proto::Random& random) {
        if (unsynced == Unsynced::lost) return;
        if (unsynced == Unsynced::sectors && op.kind == DiskOp::Kind::write) {
            constexpr std::size_t sector = 512;
            for (std::size_t at = 0; at < op.bytes.size(); at += sector)
                if (random.below(2) == 0)
                    put(content, static_cast<std::size_t>(op.offset) + at, op.bytes.data() + at,
                        std::min(sector, op.bytes.size() - at));
        } else if (unsynced == Unsynced::kept || random.below(2) == 0) {
            apply_whole(content, op);
        }
    }

    std::map<std::string, File> files_;
};

}  // namespace presmesh::testing
