// Preloaded into a daemon: of what it sends with sendmmsg (the overlay's datagrams) some is lost, as the table in the
// file LOSS_TABLE says: for each destination port how many of 1000. The table is shared memory, so it may change any
// time.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static const uint16_t* table;
static unsigned state = 1;

__attribute__((constructor)) static void open_table(void) {
    const char* path = getenv("LOSS_TABLE");
    const int fd = path ? open(path, O_RDONLY) : -1;
    if (fd < 0) return;
    void* at = mmap(0, 65536 * sizeof *table, PROT_READ, MAP_SHARED, fd, 0);
    if (at != MAP_FAILED) table = at;
    close(fd);
    state += (unsigned)getpid();
}

int sendmmsg(int fd, struct mmsghdr* messages, unsigned count, int flags) {
    static int (*real)(int, struct mmsghdr*, unsigned, int);
    if (!real) *(void**)&real = dlsym(RTLD_NEXT, "sendmmsg");
    for (unsigned i = 0; i < count; ++i) {
        const struct sockaddr_in* to = messages[i].msg_hdr.msg_name;
        const unsigned permille = table && to && to->sin_family == AF_INET ? table[ntohs(to->sin_port)] : 0;
        if (permille > (unsigned)rand_r(&state) % 1000) {  // lost on the way: the sender knows nothing of it
            messages[i].msg_len = 0;
            for (size_t k = 0; k < messages[i].msg_hdr.msg_iovlen; ++k)
                messages[i].msg_len += messages[i].msg_hdr.msg_iov[k].iov_len;
            continue;
        }
        const int sent = real(fd, messages + i, 1, flags);
        if (sent < 1) return i ? (int)i : sent;
    }
    return (int)count;
}
