package org.jvfio.emulator;

/** Ways in which a call that Linux does not refuse harms the host. */
public enum Hazard {
    /** TCE invalidation of no pages at bus address 0 on PHB3 ({@code pnv_pci_phb3_tce_invalidate}). */
    PHB3_INVALIDATES_FOR_EVER(
            "the kernel would write TCE invalidations forever, and the host would hang",
            "POWER8 (PHB3), from 5.4",
            true),
    /**
     * A MAP or UNMAP that passes the end of its window's table ({@code iommu_tce_put_param_check}, {@code
     * iommu_tce_check_ioba}). In an LPAR the hypervisor refuses the entry, and the kernel then clears its entry in the
     * array of user addresses that a v2 IOMMU keeps beside the table, past the end of that array.
     */
    WINDOW_OVERRUN(
            "the kernel would write past the end of the TCE table, or of the array of user addresses beside"
                    + " it, and corrupt host memory",
            "powernv, MAP in all versions, UNMAP from 4.12 to 6.12; LPARs, MAP with v2 from 6.11",
            false),
    /** An UNMAP far past the end of its window, where the hypervisor refuses each entry ({@code tce_iommu_clear}). */
    ENDLESS_UNMAP(
            "the kernel would call the hypervisor for each page past the window's end, and could not be interrupted",
            "LPARs, from 4.12 to 6.12",
            true),
    /** UNREGISTER_MEMORY of mapped memory, or the release of its container ({@code mm_iommu_put}). */
    REGISTRATION_LEAK(
            "the memory is still mapped: the kernel would return 0, keep it pinned and charged, and warn when the"
                    + " process ends",
            "all platforms, from 5.0",
            false),
    /** REGISTER_MEMORY of size 0 ({@code vzalloc(0)}). */
    REGISTER_NOTHING("a size of 0 would make the kernel warn with a stack trace", "all platforms, from 4.2", false),
    /**
     * REGISTER_MEMORY of private memory in huge pages that take several entries of a page table: a write fault makes
     * the first entry writable only ({@code huge_ptep_set_access_flags}), and {@code get_user_pages} faults again and
     * again.
     */
    PRIVATE_HUGE_PAGES(
            "the kernel would fault the huge page in forever, and the call would not return until the process is"
                    + " killed; map it with MAP_SHARED",
            "POWER8 and older, with system pages of 4K, from 6.11",
            true),
    /** TCE_CREATE that fails after its table was charged ({@code tce_iommu_create_table}). */
    CREATE_CHARGE_LEAK(
            "the table cannot be created, and the kernel would keep its size charged to locked memory until the process"
                    + " ends",
            "all platforms, from 5.0",
            false),
    /** A window smaller than one IOMMU page ({@code pnv_pci_ioda2_get_table_size}). */
    WINDOW_BELOW_ONE_PAGE(
            "a window smaller than one IOMMU page makes the kernel shift by a negative count",
            "powernv, from 4.2",
            false),
    /**
     * The first use of the default window where the kernel borrows the host's table, which has no operation to free it
     * ({@code BUG_ON} in {@code tce_iommu_create_window}).
     */
    BORROWED_TABLE(
            "the kernel would stop with a BUG in the middle of the call, because the host's table cannot be freed",
            "LPARs, from 6.4 to 6.10",
            true),
    /** A window that the hypervisor refuses ({@code failed_ddw_pdn_list} of {@code pseries/iommu.c}). */
    WINDOWS_LOST(
            "the hypervisor refuses the window, and the kernel would refuse every later one of this device until it is"
                    + " booted again",
            "LPARs, from 6.11",
            false),
    /** An access that a device answers with a machine check, for its size or the device's state. */
    MACHINE_CHECK("the access would cause a machine check", "powernv kills the host, pseries hangs", true);

    private final String harm;
    private final String where;
    private final boolean neverAnswers;

    Hazard(String harm, String where, boolean neverAnswers) {
        this.harm = harm;
        this.where = where;
        this.neverAnswers = neverAnswers;
    }

    /** What would happen. */
    public String harm() {
        return harm;
    }

    /** The affected platforms and kernel versions. */
    public String where() {
        return where;
    }

    /** Whether Linux returns no result, because the call never returns or the host hangs. */
    public boolean neverAnswers() {
        return neverAnswers;
    }
}
