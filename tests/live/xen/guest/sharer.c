// sharer DOMID: in a guest, shares pages with DOMID in every way that a test wants to see, says how on
// the console, and stays. Raw ioctls: the guest's image has no Xen library.
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096
#define RING_SIZE 16
#define GRANT_FLAG (1ull << 63)

struct alloc_gref { // ioctl_gntalloc_alloc_gref
  uint16_t domid, flags;
  uint32_t count;
  uint64_t index;
  uint32_t gref[16];
};
#define ALLOC_GREF _IOC(_IOC_NONE, 'G', 5, 24)
#define BIND_UNBOUND_PORT _IOC(_IOC_NONE, 'E', 2, 4)
#define NOTIFY _IOC(_IOC_NONE, 'E', 4, 4)

struct descriptor { // virtio 1.4, 2.7.5
  uint64_t address;
  uint32_t length;
  uint16_t flags, next;
};

static unsigned long long frame_of(void *page) {
  uint64_t entry = 0;
  int fd = open("/proc/self/pagemap", O_RDONLY);
  if (fd < 0 || pread(fd, &entry, 8, ((uintptr_t)page / PAGE) * 8) != 8) entry = 0;
  close(fd);
  return entry & ((1ull << 55) - 1);
}

static char *share(int fd, int domid, int writable, int count, const char *name, uint32_t *refs) {
  struct alloc_gref request = {.domid = domid, .flags = writable, .count = count};
  if (ioctl(fd, ALLOC_GREF, &request) < 0) {
    printf("GRANT %s failed: %s\n", name, strerror(errno));
    exit(1);
  }
  char *pages = mmap(0, PAGE * count, PROT_READ | PROT_WRITE, MAP_SHARED, fd, request.index);
  if (pages == MAP_FAILED) {
    printf("GRANT %s mmap failed: %s\n", name, strerror(errno));
    exit(1);
  }
  for (int i = 0; i < count; i++) {
    char *page = pages + i * PAGE;
    memset(page, 0, PAGE);
    snprintf(page, 64, "guestmem %s page %d of %d", name, i, count);
    printf("GRANT %s ref=%u pfn=%llx\n", name, request.gref[i], frame_of(page));
    refs[i] = request.gref[i];
  }
  return pages;
}

static uint64_t granted(uint32_t ref, int offset) { return GRANT_FLAG | (uint64_t)ref << 12 | offset; }

// A split virtqueue of a block device in one granted page, its buffers in another: chain 0 is used,
// chain 3 is available.
static void make_virtqueue(int fd, int domid) {
  uint32_t refs[2];
  char *ring = share(fd, domid, 1, 2, "virtqueue", refs), *buffers = ring + PAGE;
  memset(ring, 0, 2 * PAGE);
  struct descriptor *table = (void *)ring;
  uint16_t *available = (void *)(ring + 0x400), *used = (void *)(ring + 0x800);
  for (int chain = 0; chain < 2; chain++) {
    int at = chain * 0x800, first = chain * 3;
    table[first] = (struct descriptor){granted(refs[1], at), 16, 1, first + 1};
    table[first + 1] = (struct descriptor){granted(refs[1], at + 0x200), 512, 3, first + 2};
    table[first + 2] = (struct descriptor){granted(refs[1], at + 0x10), 1, 2, 0};
    *(uint64_t *)(buffers + at + 8) = 42 + chain;
    available[2 + chain] = first;
  }
  strcpy(buffers + 0x200, "sector 42 of a granted disk");
  available[1] = 2;
  used[1] = 1;
  *(uint32_t *)(used + 2) = 0;
  *(uint32_t *)(used + 4) = 513;
  printf("VIRTQUEUE ring=%u buffers=%u size=%d\n", refs[0], refs[1], RING_SIZE);
}

static void echo_events(int fd, char *page) {
  for (;;) {
    uint32_t port;
    if (read(fd, &port, 4) != 4) continue;
    printf("EVENT port=%u text='%.40s'\n", port, page + 64);
    if (write(fd, &port, 4) != 4) continue;
    ioctl(fd, NOTIFY, &port);
  }
}

int main(int count, char **arguments) {
  uint32_t refs[16], domid = count > 1 ? atoi(arguments[1]) : 0;
  setbuf(stdout, 0);
  int fd = open("/dev/xen/gntalloc", O_RDWR), events = open("/dev/xen/evtchn", O_RDWR);
  if (fd < 0 || events < 0) return printf("SHARER no device: %s\n", strerror(errno)), 1;
  char *first = share(fd, domid, 1, 4, "rw", refs);
  share(fd, domid, 0, 2, "ro", refs);
  share(fd, 7, 1, 1, "other", refs);
  make_virtqueue(fd, domid);
  char *plain = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
  strcpy(plain, "guestmem plain marker page");
  printf("PLAIN pfn=%llx\n", frame_of(plain));
  printf("PORT port=%d\n", ioctl(events, BIND_UNBOUND_PORT, &domid));
  if (fork() == 0) {
    setsid();
    echo_events(events, first);
  }
  printf("SHARER ready\n");
  return 0;
}
