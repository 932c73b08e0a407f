package power;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.Test;

/** Which packages are taken as a kernel. */
class KernelsTest {
    private static final String TRIXIE = """
            Package: linux-image-powerpc64le-64k
            Version: 6.12.117-1
            Depends: linux-image-6.12.117+deb13-powerpc64le-64k (= 6.12.117-1)
            Description: Linux for Little-endian 64-bit PowerPC with 64k pages (meta-package)

            Package: linux-image-6.12.107+deb13-powerpc64le-64k
            Version: 6.12.107-1
            Depends: kmod, initramfs-tools (>= 0.120+deb8u2) | linux-initramfs-tool
            Description: Linux 6.12 for Little-endian 64-bit PowerPC with 64k pages
            Size: 12

            Package: linux-image-6.12.117+deb13-powerpc64le-64k
            Version: 6.12.117-1
            Description: Linux 6.12 for Little-endian 64-bit PowerPC with 64k pages

            Package: linux-image-6.12.117+deb13-powerpc64le
            Version: 6.12.117-1
            Description: Linux 6.12 for Little-endian 64-bit PowerPC with 4k pages

            Package: linux-image-6.12.117+deb13-powerpc64le-64k-dbg
            Version: 6.12.117-1
            Description: Debug symbols for linux-image-6.12.117+deb13-powerpc64le-64k
            """;

    private static final String EXPERIMENTAL = """
            Package: linux-image-7.3-powerpc64le-64k
            Version: 7.3~rc7-1~exp1
            Depends: dracut | initramfs-tools (>= 0.120+deb8u2), linux-base-7.3-powerpc64le-64k (= 7.3~rc7-1~exp1),
             linux-binary-7.3-powerpc64le-64k (= 7.3~rc7-1~exp1), linux-modules-7.3-powerpc64le-64k (= 7.3~rc7-1~exp1)
            Description: Linux 7.3-rc7 for Little-endian 64-bit PowerPC with 64k pages

            Package: linux-binary-7.3-powerpc64le-64k
            Version: 7.3~rc7-1~exp1

            Package: linux-modules-7.3-powerpc64le-64k
            Version: 7.3~rc7-1~exp1
            """;

    private static List<List<String>> kernels(String index, int pageKib) {
        return Parts.kernels(DebianPackage.parse(index), pageKib).stream()
                .map(choice ->
                        choice.packages().stream().map(DebianPackage::exactly).toList())
                .toList();
    }

    @Test
    void kernels_severalInAnIndex_newestFirst() {
        assertEquals(
                List.of(
                        List.of("linux-image-6.12.117+deb13-powerpc64le-64k=6.12.117-1"),
                        List.of("linux-image-6.12.107+deb13-powerpc64le-64k=6.12.107-1")),
                kernels(TRIXIE, 64));
        assertEquals(List.of(List.of("linux-image-6.12.117+deb13-powerpc64le=6.12.117-1")), kernels(TRIXIE, 4));
    }

    @Test
    void kernels_imageWithoutAKernel_thePackagesThatHaveIt() {
        assertEquals(
                List.of(List.of(
                        "linux-binary-7.3-powerpc64le-64k=7.3~rc7-1~exp1",
                        "linux-modules-7.3-powerpc64le-64k=7.3~rc7-1~exp1")),
                kernels(EXPERIMENTAL, 64));
        assertEquals(List.of(), kernels(EXPERIMENTAL, 4));
    }

    @Test
    void kernels_modulesMissingInTheIndex_notTaken() {
        String index = EXPERIMENTAL.substring(0, EXPERIMENTAL.indexOf("Package: linux-modules"));
        assertEquals(List.of(), kernels(index, 64));
    }

    @Test
    void kernels_pageSizeNotInTheDescription_64K() {
        String index = """
                Package: linux-image-6.1.0-50-powerpc64le
                Version: 6.1.170-1
                Description: Linux 6.1 for Little-endian 64-bit PowerPC
                """;
        assertEquals(List.of(List.of("linux-image-6.1.0-50-powerpc64le=6.1.170-1")), kernels(index, 64));
        assertEquals(List.of(), kernels(index, 4));
    }

    @Test
    void series_ofVersions_theirFirstTwoNumbers() {
        assertEquals("6.12", new Fetcher.Choice("6.12.107-1~bpo12+1", List.of()).series());
        assertEquals("7.3", new Fetcher.Choice("7.3~rc7-1~exp1", List.of()).series());
        assertEquals("11.1", new Fetcher.Choice("1:11.1.3+ds-1", List.of()).series());
    }
}
