// xenbench DOMID FRAMES ROUNDS ROUNDS ROUNDS REF...: what the Xen project's own libraries need for the
// same work, in milliseconds, one JSON line: the best of so many rounds of mapping frames, mapping grants
// and scanning.
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/mman.h>
#include <xenforeignmemory.h>
#include <xengnttab.h>

#define CHUNK 1024 // as the Xen project's own migration does
#define PAGE 4096

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

static double best(double first, double second) { return first < second ? first : second; }

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static double map_frames(xenforeignmemory_handle *memory, int domain, int count) {
  xen_pfn_t *frames = calloc(count, sizeof *frames);
  int *errors = calloc(count, sizeof *errors), bad = 0;
  for (int i = 0; i < count; i++) frames[i] = i;
  double start = now();
  void *pages = xenforeignmemory_map(memory, domain, PROT_READ, count, frames, errors);
  if (!pages) fail("map frames");
  for (int i = 0; i < count; i++) bad += errors[i] != 0;
  xenforeignmemory_unmap(memory, pages, count);
  double spent = now() - start;
  if (bad > 512) fail("too many frames failed");
  return spent;
}

static double scan(xenforeignmemory_handle *memory, int domain, int count) {
  xen_pfn_t frames[CHUNK];
  int errors[CHUNK], found = 0;
  double start = now();
  for (int first = 0; first < count; first += CHUNK) {
    for (int i = 0; i < CHUNK; i++) frames[i] = first + i;
    char *pages = xenforeignmemory_map(memory, domain, PROT_READ, CHUNK, frames, errors);
    if (!pages) fail("map a chunk");
    for (int i = 0; i < CHUNK;) { // runs of frames that are mapped
      int run = 0;
      while (i + run < CHUNK && errors[i + run] == 0) run++;
      if (run > 0 && memmem(pages + i * PAGE, (size_t)run * PAGE, "no such needle", 14)) found++;
      i += run > 0 ? run : 1;
    }
    xenforeignmemory_unmap(memory, pages, CHUNK);
  }
  double spent = now() - start;
  if (found) fail("found what is not there");
  return spent;
}

static double map_grants(xengnttab_handle *table, int count, uint32_t *refs) {
  double start = now();
  void *pages = xengnttab_map_domain_grant_refs(table, count, 0, refs, PROT_READ);
  if (!pages) fail("map grants");
  xengnttab_unmap(table, pages, count);
  return now() - start;
}

int main(int count, char **arguments) {
  int domain = atoi(arguments[1]), frames = atoi(arguments[2]), grants = count - 6, rounds[3];
  for (int i = 0; i < 3; i++) rounds[i] = atoi(arguments[3 + i]);
  uint32_t *refs = calloc(grants, sizeof *refs);
  for (int i = 0; i < grants; i++) refs[i] = atoi(arguments[6 + i]);
  xenforeignmemory_handle *memory = xenforeignmemory_open(NULL, 0);
  xengnttab_handle *table = xengnttab_open(NULL, 0);
  if (!memory || !table) fail("open");
  double a = 1e9, b = 1e9, c = 1e9;
  for (int i = 0; i < rounds[0]; i++) a = best(a, map_frames(memory, domain, frames));
  for (int i = 0; i < rounds[1]; i++) b = best(b, map_grants(table, grants, refs));
  for (int i = 0; i < rounds[2]; i++) c = best(c, scan(memory, domain, frames));
  printf("{\"frames\":%.3f,\"grants\":%.3f,\"scan\":%.3f}\n", a, b, c);
  return 0;
}
