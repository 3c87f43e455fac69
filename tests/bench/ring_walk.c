/*
 * The peer of ring_walk_bench.ts: the same walk in C, with every check that the library makes on a
 * descriptor (index, ownership, range, order, length, table shape) and its sums, over the same
 * image. It walks in place and keeps nothing.
 *
 * usage: ring_walk IMAGE split|packed SIZE DESC DRIVER DEVICE FEATURES INDEX WRAP SECONDS {GPA LENGTH OFFSET}...
 * prints: chains descriptors readable writable chains-per-second
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

enum { NEXT = 1, WRITE = 2, INDIRECT = 4, AVAIL = 1 << 7, USED = 1 << 15 };

struct region { uint64_t start, length; const uint8_t *bytes; };
/* Split: flags, next. Packed: id, flags. */
struct descriptor { uint64_t address; uint32_t length; uint16_t a, b; };
struct sums { uint64_t chains, descriptors, readable, writable, faults; };

static struct region regions[8];
static int region_count;
static uint16_t *owner;

static const void *locate(uint64_t address, uint64_t length) {
  for (int i = 0; i < region_count; i++) {
    uint64_t into = address - regions[i].start;
    if (into < regions[i].length && length <= regions[i].length - into) return regions[i].bytes + into;
  }
  return NULL;
}

/* One buffer: in memory, not empty, and not readable after writable. */
static inline int take(const struct descriptor *d, int writable, uint64_t *reads, uint64_t *writes) {
  if (d->length == 0 || !locate(d->address, d->length)) return 0;
  if (writable) *writes += d->length;
  else if (*writes == 0) *reads += d->length;
  else return 0;
  return 1;
}

static const struct descriptor *table_of(const struct descriptor *d, uint32_t size, uint64_t features) {
  if (d->length == 0 || d->length % 16 || d->length / 16 > size || !(features >> 28 & 1)) return NULL;
  return locate(d->address, d->length);
}

static inline int split_table(const struct descriptor *d, uint32_t size, uint64_t features,
                              uint64_t *steps, uint64_t *reads, uint64_t *writes) {
  const struct descriptor *table = table_of(d, size, features);
  uint32_t entries = d->length / 16, index = 0;
  if (!table) return 0;
  for (uint32_t n = 1; n <= entries; n++) {
    struct descriptor e = table[index];
    if (e.a & INDIRECT || !take(&e, e.a & WRITE, reads, writes)) return 0;
    if (!(e.a & NEXT)) { *steps = n; return 1; }
    if ((index = e.b) >= entries) return 0;
  }
  return 0;
}

static void split(uint32_t size, const struct descriptor *table, const uint16_t *avail,
                  uint16_t index, uint64_t features, struct sums *out) {
  uint16_t end = __atomic_load_n(&avail[1], __ATOMIC_ACQUIRE);
  uint32_t count = (uint16_t)(end - index);
  if (count > size) { out->faults++; return; }
  memset(owner, 0, 2 * size);
  for (uint32_t chain = 0; chain < count; chain++) {
    uint32_t at = avail[2 + ((uint16_t)(index + chain) & (size - 1))];
    uint64_t steps = 0, reads = 0, writes = 0;
    int fine = 0;
    while (at < size && owner[at] == 0) {
      struct descriptor d = table[at];
      owner[at] = chain + 1;
      if (d.a & INDIRECT) {
        fine = steps == 0 && !(d.a & NEXT) && split_table(&d, size, features, &steps, &reads, &writes);
        break;
      }
      if (!take(&d, d.a & WRITE, &reads, &writes)) break;
      steps++;
      if (!(d.a & NEXT)) { fine = 1; break; }
      at = d.b;
    }
    out->chains++;
    if (!fine || reads + writes > UINT64_C(1) << 32) { out->faults++; continue; }
    out->descriptors += steps, out->readable += reads, out->writable += writes;
  }
}

static inline int is_available(uint16_t flags, int wrap) {
  return !!(flags & AVAIL) == wrap && !!(flags & USED) != wrap;
}

static inline int packed_table(const struct descriptor *d, uint32_t size, uint64_t features,
                               uint64_t *steps, uint64_t *reads, uint64_t *writes) {
  const struct descriptor *table = table_of(d, size, features);
  if (!table) return 0;
  for (uint32_t n = 0; n < d->length / 16; n++) {
    struct descriptor e = table[n];
    if (e.b & INDIRECT || !take(&e, e.b & WRITE, reads, writes)) return 0;
  }
  *steps = d->length / 16;
  return 1;
}

static void packed(uint32_t size, const struct descriptor *table, uint32_t slot, int wrap,
                   uint64_t features, struct sums *out) {
  uint32_t left = size;
  memset(owner, 0, 2 * size);
  while (left > 0 && is_available(__atomic_load_n(&table[slot].b, __ATOMIC_ACQUIRE), wrap)) {
    uint64_t steps = 0, reads = 0, writes = 0;
    uint32_t taken = 0;
    int fine = 1;
    struct descriptor d;
    for (;;) {
      d = table[slot];
      taken++;
      if (++slot == size) slot = 0, wrap ^= 1;
      if (d.b & INDIRECT) {
        fine = taken == 1 && !(d.b & NEXT) && packed_table(&d, size, features, &steps, &reads, &writes);
      } else {
        fine &= take(&d, d.b & WRITE, &reads, &writes);
        steps++;
      }
      if (!(d.b & NEXT)) break;
      if (taken == left || !is_available(table[slot].b, wrap)) { fine = 0; break; }
    }
    left -= taken;
    if (d.a >= size || owner[d.a]) fine = 0;
    else owner[d.a] = out->chains + 1;
    out->chains++;
    if (!fine || reads + writes > UINT64_C(1) << 32) { out->faults++; continue; }
    out->descriptors += steps, out->readable += reads, out->writable += writes;
  }
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

int main(int argc, char **argv) {
  if (argc < 14) return 2;
  int fd = open(argv[1], O_RDONLY);
  struct stat st;
  if (fd < 0 || fstat(fd, &st)) return perror(argv[1]), 2;
  const uint8_t *file = mmap(0, st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
  int is_split = !strcmp(argv[2], "split");
  uint32_t size = strtoul(argv[3], 0, 0), index = strtoul(argv[8], 0, 0);
  uint64_t features = strtoull(argv[7], 0, 0);
  for (int i = 11; i + 2 < argc; i += 3) {
    struct region r = {strtoull(argv[i], 0, 0), strtoull(argv[i + 1], 0, 0), file + strtoull(argv[i + 2], 0, 0)};
    regions[region_count++] = r;
  }
  const void *table = locate(strtoull(argv[4], 0, 0), 16 * (uint64_t)size);
  const void *driver = locate(strtoull(argv[5], 0, 0), is_split ? 6 + 2 * size : 4);
  owner = malloc(2 * size);
  if (!table || !driver || !owner) return 2;
  struct sums sums = {0};
  uint64_t walks = 0, chains = 0;
  double start = now(), end = start + atof(argv[10]), t;
  do {
    for (int n = 0; n < (size > 1024 ? 1 : 64); n++, walks++) {
      memset(&sums, 0, sizeof sums);
      if (is_split) split(size, table, driver, index, features, &sums);
      else packed(size, table, index, atoi(argv[9]), features, &sums);
      chains += sums.chains;
    }
  } while ((t = now()) < end);
  printf("%lu %lu %lu %lu %.0f\n", sums.chains, sums.descriptors, sums.readable, sums.writable, chains / (t - start));
  return sums.faults ? 1 : 0;
}
