// Measures VFIO's system calls and a device's registers in C: what org.jvfio.bench.CallTimes measures in Java, with the
// same calls in the same order. scripts/bench --compare builds it, runs both, and prints the ratios.
//
// usage: vfio-bench host | GROUP ADDRESS [NAME...]
//   host             what needs no VFIO: what org.jvfio.bench.HostCallTimes measures in Java
//   GROUP ADDRESS    the group and PCI address of an edu device that is bound to vfio-pci
//
// Prints a line for each measurement: NAME, a tab, nanoseconds per operation.
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define KIB 1024ull
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define HUGE_PAGE (16 * MIB)
#define PAGE_SHIFT_64K 16
#define WINDOW (4 * GIB)
#define REGISTER_ID 0x00
#define REGISTER_LIVENESS 0x04

static int container;
static int device;
static uint64_t memory;
static uint64_t large;
static uint64_t pinned;
static volatile uint8_t *bar;
static uint64_t bar_offset;
static uint64_t default_window;
static uint64_t window_64k;
static int there;
static int back;

static void fail(const char *what) {
    fprintf(stderr, "vfio-bench: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void require(int is_true, const char *what) {
    if (!is_true) {
        fail(what);
    }
}

static uint64_t nanos(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * 1000000000ull + (uint64_t) now.tv_nsec;
}

static void map_at(uint64_t iova, uint64_t vaddr, uint64_t size) {
    struct vfio_iommu_type1_dma_map map = {
        .argsz = sizeof map,
        .flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
        .vaddr = vaddr,
        .iova = iova,
        .size = size,
    };
    require(ioctl(container, VFIO_IOMMU_MAP_DMA, &map) == 0, "VFIO_IOMMU_MAP_DMA");
}

static void unmap_at(uint64_t iova, uint64_t size) {
    struct vfio_iommu_type1_dma_unmap unmap = {.argsz = sizeof unmap, .iova = iova, .size = size};
    require(ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap) == 0, "VFIO_IOMMU_UNMAP_DMA");
}

static void register_memory(unsigned long request, uint64_t vaddr, uint64_t size) {
    struct vfio_iommu_spapr_register_memory memory = {.argsz = sizeof memory, .vaddr = vaddr, .size = size};
    require(ioctl(container, request, &memory) == 0, "VFIO_IOMMU_SPAPR_(UN)REGISTER_MEMORY");
}

static uint64_t create_window(uint64_t size) {
    struct vfio_iommu_spapr_tce_create create = {
        .argsz = sizeof create, .page_shift = PAGE_SHIFT_64K, .window_size = size, .levels = 1};
    require(ioctl(container, VFIO_IOMMU_SPAPR_TCE_CREATE, &create) == 0, "VFIO_IOMMU_SPAPR_TCE_CREATE");
    return create.start_addr;
}

static void remove_window(uint64_t start) {
    struct vfio_iommu_spapr_tce_remove remove = {.argsz = sizeof remove, .start_addr = start};
    require(ioctl(container, VFIO_IOMMU_SPAPR_TCE_REMOVE, &remove) == 0, "VFIO_IOMMU_SPAPR_TCE_REMOVE");
}

static void trivial_ioctl(void) {
    require(ioctl(container, VFIO_GET_API_VERSION) == VFIO_API_VERSION, "VFIO_GET_API_VERSION");
}

static void map_4k(void) {
    map_at(default_window, memory, 4 * KIB);
    unmap_at(default_window, 4 * KIB);
}

static void map_64k(void) {
    map_at(window_64k, memory, 64 * KIB);
    unmap_at(window_64k, 64 * KIB);
}

static void map_1m(void) {
    map_at(window_64k, memory, MIB);
    unmap_at(window_64k, MIB);
}

static void map_1g(void) {
    map_at(window_64k, large, GIB);
    unmap_at(window_64k, GIB);
}

// 16 MiB page by page: what one call of the library does.
static void map_pages(void) {
    for (uint64_t page = 0; page < 16 * MIB; page += 64 * KIB) {
        map_at(window_64k + page, large + page, 64 * KIB);
    }
    for (uint64_t page = 0; page < 16 * MIB; page += 64 * KIB) {
        unmap_at(window_64k + page, 64 * KIB);
    }
}

static void register_1g(void) {
    register_memory(VFIO_IOMMU_SPAPR_REGISTER_MEMORY, pinned, GIB);
    register_memory(VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY, pinned, GIB);
}

static void create_and_remove(void) {
    remove_window(create_window(GIB));
}

static void read_mapped(void) {
    uint32_t value = *(volatile uint32_t *) (bar + REGISTER_ID);
    __sync_synchronize();
    (void) value;
}

static void write_mapped(void) {
    __sync_synchronize();
    *(volatile uint32_t *) (bar + REGISTER_LIVENESS) = 1;
}

static void read_by_pread(void) {
    uint32_t value;
    require(pread(device, &value, sizeof value, (off_t) (bar_offset + REGISTER_ID)) == sizeof value, "pread");
}

static void await(int eventfd) {
    struct pollfd ready = {.fd = eventfd, .events = POLLIN};
    uint64_t count;
    require(poll(&ready, 1, -1) == 1, "poll");
    require(read(eventfd, &count, sizeof count) == sizeof count, "read");
}

static void signal_event(int eventfd) {
    uint64_t one = 1;
    require(write(eventfd, &one, sizeof one) == sizeof one, "write");
}

static void *reply(void *rounds) {
    for (long round = 0; round < (long) rounds; round++) {
        await(there);
        signal_event(back);
    }
    return NULL;
}

static void wake_up(void) {
    signal_event(there);
    await(back);
}

static int wanted_count;
static char **wanted_names;

static int is_wanted(const char *name) {
    for (int each = 0; each < wanted_count; each++) {
        if (strcmp(name, wanted_names[each]) == 0) {
            return 1;
        }
    }
    return wanted_count == 0;
}

// A macro, so that the operation is part of the loop. The best of some rounds has no work of others in it. The counts
// are those of CallTimes.
#define ROUNDS 4
#define MEASURE(name, operation, count)                                                            \
    if (is_wanted(name)) {                                                                         \
        double best = 0;                                                                           \
        operation();                                                                               \
        for (int round = 0; round < ROUNDS; round++) {                                             \
            uint64_t begin = nanos();                                                              \
            for (long each = 0; each < (count); each++) {                                          \
                operation();                                                                       \
            }                                                                                      \
            double each = (double) (nanos() - begin) / (double) (count);                           \
            best = round == 0 || each < best ? each : best;                                        \
        }                                                                                          \
        printf("%s\t%.1f\n", name, best);                                                          \
        fflush(stdout);                                                                            \
    }

#define WAKE_UPS 2000L

static int file;

static void close_on_exec(void) {
    require(ioctl(file, FIOCLEX) == 0, "FIOCLEX");
}

static void bytes_left(void) {
    int bytes;
    require(ioctl(file, FIONREAD, &bytes) == 0, "FIONREAD");
}

static void read_file(void) {
    uint32_t value;
    require(pread(file, &value, sizeof value, 0) == sizeof value, "pread");
}

static void measure_eventfd(void) {
    pthread_t other;
    there = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    back = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    require(there >= 0 && back >= 0, "eventfd");
    require(pthread_create(&other, NULL, reply, (void *) (ROUNDS * WAKE_UPS + 1)) == 0, "pthread_create");
    MEASURE("eventfd", wake_up, WAKE_UPS)
    pthread_join(other, NULL);
}

static void measure_host(void) {
    file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    require(file >= 0, "/proc/self/exe");
    MEASURE("ioctl", close_on_exec, 20000)
    MEASURE("ioctl-struct", bytes_left, 20000)
    MEASURE("pread", read_file, 20000)
    measure_eventfd();
}

static uint64_t anonymous(uint64_t bytes) {
    void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    require(pages != MAP_FAILED, "mmap");
    return (uint64_t) (uintptr_t) pages;
}

static void open_device(const char *number, const char *address) {
    char path[64];
    snprintf(path, sizeof path, "/dev/vfio/%s", number);
    container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
    require(container >= 0, "/dev/vfio/vfio");
    int group = open(path, O_RDWR | O_CLOEXEC);
    require(group >= 0, path);
    require(ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) == 0, "VFIO_GROUP_SET_CONTAINER");
    require(ioctl(container, VFIO_SET_IOMMU, VFIO_SPAPR_TCE_v2_IOMMU) == 0, "VFIO_SET_IOMMU");
    device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, address);
    require(device >= 0, address);
    struct vfio_region_info region = {.argsz = sizeof region, .index = VFIO_PCI_BAR0_REGION_INDEX};
    require(ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &region) == 0, "VFIO_DEVICE_GET_REGION_INFO");
    struct vfio_region_info config = {.argsz = sizeof config, .index = VFIO_PCI_CONFIG_REGION_INDEX};
    require(ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &config) == 0, "VFIO_DEVICE_GET_REGION_INFO");
    uint16_t command = 6; // little-endian, as this host: memory and bus mastering
    require(pwrite(device, &command, sizeof command, (off_t) (config.offset + 4)) == sizeof command, "pwrite");
    bar_offset = region.offset;
    bar = mmap(NULL, region.size, PROT_READ | PROT_WRITE, MAP_SHARED, device, (off_t) region.offset);
    require(bar != MAP_FAILED, "mmap of BAR 0");
    large = anonymous(GIB);
    memory = anonymous(MIB);
    memset((void *) (uintptr_t) large, 1, GIB);
    // Whole huge pages, if the kernel has any: the time to pin memory is that of its pages.
    pinned = (anonymous(GIB + HUGE_PAGE) + HUGE_PAGE - 1) & -HUGE_PAGE;
    memset((void *) (uintptr_t) pinned, 1, GIB);
    register_memory(VFIO_IOMMU_SPAPR_REGISTER_MEMORY, memory, MIB);
    register_memory(VFIO_IOMMU_SPAPR_REGISTER_MEMORY, large, GIB);
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "host") == 0) {
        measure_host();
        return 0;
    }
    if (argc < 3) {
        fprintf(stderr, "usage: vfio-bench host | GROUP ADDRESS [NAME...]\n");
        return 2;
    }
    open_device(argv[1], argv[2]);
    wanted_count = argc - 3;
    wanted_names = argv + 3;
    // The default window begins at 0; the page there is as good as any.
    default_window = 0;
    // The kernel has two windows, so the one that is created and removed goes first.
    MEASURE("window", create_and_remove, 200)
    window_64k = create_window(WINDOW);
    MEASURE("ioctl", trivial_ioctl, 20000)
    MEASURE("map-4k", map_4k, 20000)
    MEASURE("map-64k", map_64k, 20000)
    MEASURE("map-1m", map_1m, 2000)
    MEASURE("map-1g", map_1g, 20)
    MEASURE("map-pages", map_pages, 20)
    MEASURE("register-1g", register_1g, 5)
    MEASURE("read-mapped", read_mapped, 100000)
    MEASURE("write-mapped", write_mapped, 100000)
    MEASURE("read-pread", read_by_pread, 20000)
    if (is_wanted("eventfd")) {
        measure_eventfd();
    }
    return 0;
}
