#include "overlay/dht_packet.hpp"

#include <algorithm>
#include <array>

#include "proto/limits.hpp"
#include "proto/msgpack_io.hpp"

namespace presmesh::overlay {

namespace limits = proto::limits;
using proto::MsgpackReader;
using proto::Reason;

namespace {

constexpr std::size_t fields_max = 16;
constexpr std::size_t name_bytes = 16;

/// The names of a map's entries; OpenDHT takes the first of two equal ones, so two are one too many.
class Names {
  public:
    std::string_view next(MsgpackReader& in) {
        const std::string_view name = in.str(name_bytes);
        if (!in.ok()) return name;
        const auto end = seen_.begin() + static_cast<std::ptrdiff_t>(count_);
        if (std::find(seen_.begin(), end, name) != end) in.fail(Reason::malformed, "packet: a key twice");
        seen_[count_++] = name;
        return name;
    }

  private:
    std::array<std::string_view, fields_max> seen_;  ///< MsgpackReader::map() lets no more through
    std::size_t count_ = 0;
};

void read_body(MsgpackReader& in, PutValue& value) {
    Names names;
    bool type = false, data = false;
    for (std::size_t left = in.map(fields_max); left > 0 && in.ok(); --left) {
        const std::string_view name = names.next(in);
        if (name == "type") {
            value.type = in.uint(UINT16_MAX);
            type = true;
        } else if (name == "data") {
            value.data = in.bin(limits::dht_packet_bytes);
            data = true;
        } else {
            in.fail(Reason::unsupported_type, "put: a value with more than type and data");
        }
    }
    if (in.ok() && !(type && data)) in.fail(Reason::unsupported_type, "put: a value without type or data");
}

/// {"body": {...}}, and nothing beside it: no signature, owner or recipient of OpenDHT's own.
void read_content(MsgpackReader& in, PutValue& value) {
    if (in.peek() != MsgpackReader::Type::map) in.fail(Reason::unsupported_type, "put: an encrypted value");
    const std::size_t fields = in.map(fields_max);
    const std::string_view name = in.str(name_bytes);
    if (in.ok() && (fields != 1 || name != "body")) in.fail(Reason::unsupported_type, "put: more than a body");
    read_body(in, value);
}

PutValue read_value(MsgpackReader& in) {
    PutValue value;
    if (in.peek() != MsgpackReader::Type::map) in.fail(Reason::unsupported_type, "put: a value in parts");
    Names names;
    bool id = false, content = false;
    for (std::size_t left = in.map(fields_max); left > 0 && in.ok(); --left) {
        const std::string_view name = names.next(in);
        if (name == "id") {
            value.id = in.uint();
            id = true;
        } else if (name == "dat") {
            read_content(in, value);
            content = true;
        } else {
            in.fail(Reason::unsupported_type, "put: a field we do not know");
        }
    }
    if (in.ok() && !(id && content)) in.fail(Reason::malformed, "put: a value without id or content");
    return value;
}

std::vector<PutValue> read_values(MsgpackReader& in) {
    std::vector<PutValue> values;
    for (std::size_t left = in.array(limits::dht_values_per_packet); left > 0 && in.ok(); --left) {
        values.push_back(read_value(in));
    }
    return values;
}

struct Arguments {
    std::optional<proto::DhtKey> sender;
    std::optional<proto::DhtKey> key;
    std::optional<std::uint64_t> value_id;
    std::optional<std::vector<PutValue>> values;
    proto::Result<void> values_status{};
};

/// The map under "a", "r" or "u". Values, keys and value ids are read aside: only a put's and a refresh's have to be of
/// our form.
Arguments read_arguments(MsgpackReader& in) {
    Arguments out;
    Names names;
    for (std::size_t left = in.map(fields_max); left > 0 && in.ok(); --left) {
        const std::string_view name = names.next(in);
        if (name == "id") {
            out.sender = in.fixed<20>();
        } else if (name == "values") {
            MsgpackReader aside(in.rest());
            out.values = read_values(aside);
            out.values_status = aside.status();
            in.skip();
        } else if (name == "h") {
            MsgpackReader aside(in.rest());
            const auto key = aside.fixed<20>();
            if (aside.ok()) out.key = key;
            in.skip();
        } else if (name == "vid") {
            MsgpackReader aside(in.rest());
            const auto value_id = aside.uint();
            if (aside.ok()) out.value_id = value_id;
            in.skip();
        } else {
            in.skip();
        }
    }
    return out;
}

proto::Result<DhtClaims> judge(DhtClaims claims, const std::vector<Arguments>& all) {
    for (const Arguments& arguments : all) {
        if (arguments.sender && claims.sender && *arguments.sender != *claims.sender) {
            return proto::refuse(Reason::malformed, "packet: two senders");
        }
        if (arguments.sender) claims.sender = arguments.sender;
        if (claims.method == "refresh") {
            if (claims.key || claims.value_id || !arguments.key || !arguments.value_id)
                return proto::refuse(Reason::malformed, "refresh: of no value, or of several");
            claims.key = arguments.key;
            claims.value_id = arguments.value_id;
        }
        if (claims.method != "put" || !arguments.values) continue;
        if (!arguments.values_status) return tl::make_unexpected(arguments.values_status.error());
        claims.values.insert(claims.values.end(), arguments.values->begin(), arguments.values->end());
    }
    const bool names_nobody = claims.message == "p" || claims.message == "e";
    if (!claims.sender && !names_nobody) return proto::refuse(Reason::malformed, "packet: no sender");
    return claims;
}

}  // namespace

bool PutValue::operator==(const PutValue& other) const {
    return id == other.id && type == other.type && std::ranges::equal(data, other.data);
}

proto::Result<DhtClaims> read_dht_packet(proto::BytesView bytes) {
    if (bytes.size() > limits::dht_packet_bytes) return proto::refuse(Reason::too_large, "packet");
    MsgpackReader in(bytes);
    DhtClaims claims;
    std::vector<Arguments> all;
    Names names;
    for (std::size_t left = in.map(fields_max); left > 0 && in.ok(); --left) {
        const std::string_view name = names.next(in);
        if (name == "y") {
            claims.message = in.str(1);
        } else if (name == "q") {
            claims.method = in.str(name_bytes);
        } else if ((name == "a" || name == "r" || name == "u") && in.peek() == MsgpackReader::Type::map) {
            all.push_back(read_arguments(in));
        } else {
            in.skip();
        }
    }
    if (const auto finished = in.finish(); !finished) return tl::make_unexpected(finished.error());
    if (claims.message.empty()) return proto::refuse(Reason::malformed, "packet: no kind");
    return judge(std::move(claims), all);
}

}  // namespace presmesh::overlay
