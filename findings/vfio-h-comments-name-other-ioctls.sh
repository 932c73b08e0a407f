#!/usr/bin/env bash
# linux/vfio.h documents its ioctls as _IOWR, _IOW and _IOR, and defines every one of them as _IO (Linux 6.1).
#
# Expected: the comment above a definition gives its request number: VFIO_IOMMU_MAP_DMA is _IOW(VFIO_TYPE, VFIO_BASE +
# 13, struct vfio_dma_map).
# Seen: it is _IO(VFIO_TYPE, VFIO_BASE + 13), with neither direction nor size, as are all others; only the comments are
# wrong. Why it matters: a binding written by hand from the comments gets ENOTTY from every call, and on POWER even _IO
# is not a plain number: _IOC_NONE is 1 there, so the same call is 0x3b71 on x86 and 0x20003b71 on ppc64.
#
# Version: linux-libc-dev 6.1.192-3 (Debian 12)
. "$(dirname "$0")/lib/finding.bash"
debian 'linux-libc-dev=6.1.192-3'

header=$root/usr/include/linux/vfio.h
documented=$(grep -cE '^ \* VFIO_.* - _IO(W|R|WR)\(VFIO_TYPE' "$header" || true)
defined=$(grep -cE '^#define[[:space:]]+VFIO_.*_IO(W|R|WR)\(' "$header" || true)
expect 'MAP_DMA in the comment' '_IOW(VFIO_TYPE, VFIO_BASE + 13, struct vfio_dma_map)' \
    "$(sed -n 's/^ \* VFIO_IOMMU_MAP_DMA - \(_IO.*)\).*/\1/p' "$header")"
expect 'MAP_DMA as defined' '_IO(VFIO_TYPE, VFIO_BASE + 13)' \
    "$(sed -nE 's/^#define[[:space:]]+VFIO_IOMMU_MAP_DMA[[:space:]]+//p' "$header")"
expect 'others with a direction: in comments, as defined' "$documented, 0" "$documented, $defined"
