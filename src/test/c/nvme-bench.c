// Measures random reads of 4 KiB by Linux's own NVMe driver in C: what org.jvfio.bench.NvmeReads measures in Java with
// the library's. scripts/bench --compare-nvme builds it and runs both in one guest.
//
// usage: nvme-bench DISK SECONDS
//   DISK     a block device, such as /dev/nvme0n1; its first 64 MiB are read
//   SECONDS  how long each measurement takes
//
// Prints a line for each measurement, pread at depth 1 and io_submit at depth 32: NAME, a tab, reads per second.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 4096
#define USED (64u << 20)
#define DEPTH 32
#define ALIGNMENT (1 << 16)

static int disk;
static char *memory;
static uint64_t state = 1;

static void require(int is_true, const char *what) {
    if (!is_true) {
        fprintf(stderr, "nvme-bench: %s: %s\n", what, strerror(errno));
        exit(1);
    }
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double) time.tv_sec + (double) time.tv_nsec * 1e-9;
}

static off_t any_block(void) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (off_t) ((state >> 33) % (USED / BLOCK)) * BLOCK;
}

static uint64_t depth_1(double seconds) {
    uint64_t reads = 0;
    for (double end = now() + seconds; now() < end;) {
        for (int each = 0; each < 100; each++, reads++) {
            require(pread(disk, memory, BLOCK, any_block()) == BLOCK, "pread");
        }
    }
    return reads;
}

static uint64_t depth_32(double seconds) {
    aio_context_t context = 0;
    struct iocb reads[DEPTH] = {0};
    struct iocb *waiting[DEPTH];
    struct io_event events[DEPTH];
    uint64_t done = 0;
    long free_reads = DEPTH;
    require(syscall(SYS_io_setup, DEPTH, &context) == 0, "io_setup");
    for (int each = 0; each < DEPTH; each++) {
        reads[each].aio_fildes = (uint32_t) disk;
        reads[each].aio_lio_opcode = IOCB_CMD_PREAD;
        reads[each].aio_buf = (uintptr_t) (memory + each * BLOCK);
        reads[each].aio_nbytes = BLOCK;
        waiting[each] = &reads[each];
    }
    for (double end = now() + seconds; now() < end;) {
        for (long each = 0; each < free_reads; each++) {
            waiting[each]->aio_offset = any_block();
        }
        require(syscall(SYS_io_submit, context, free_reads, waiting) == free_reads, "io_submit");
        free_reads = syscall(SYS_io_getevents, context, 1, DEPTH, events, NULL);
        require(free_reads > 0, "io_getevents");
        for (long each = 0; each < free_reads; each++) {
            require(events[each].res == BLOCK, "an asynchronous read");
            waiting[each] = (struct iocb *) (uintptr_t) events[each].obj;
        }
        done += (uint64_t) free_reads;
    }
    syscall(SYS_io_destroy, context);
    return done;
}

static void measure(const char *name, uint64_t (*reads)(double), double seconds) {
    double begin = now();
    uint64_t count = reads(seconds);
    printf("%s\t%.0f\n", name, (double) count / (now() - begin));
}

int main(int argc, char **argv) {
    if (argc != 3 || atof(argv[2]) <= 0) {
        fprintf(stderr, "usage: nvme-bench DISK SECONDS\n");
        return 2;
    }
    disk = open(argv[1], O_RDONLY | O_DIRECT | O_CLOEXEC);
    require(disk >= 0, argv[1]);
    require(posix_memalign((void **) &memory, ALIGNMENT, DEPTH * BLOCK) == 0, "posix_memalign");
    measure("depth 1", depth_1, atof(argv[2]));
    measure("depth 32", depth_32, atof(argv[2]));
    return 0;
}
