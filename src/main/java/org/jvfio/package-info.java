/**
 * VFIO on POWER for Java programs: containers, groups, devices, DMA windows and DMA memory of the SPAPR TCE IOMMU.
 *
 * <p><a href="doc-files/guide.html">The guide</a> explains POWER I/O, and leads from the first register to a whole
 * driver.
 *
 * <p>Most drivers begin with {@link org.jvfio.Device#open}. The library runs on a {@link org.jvfio.kernel.Kernel},
 * Linux or an emulated one. A call that the kernel, the platform or the device refuses throws {@link
 * org.jvfio.VfioException}, which names the system call, its arguments, the cause and what to do. Calls that would harm
 * the host are rejected before the system call. A call on a closed object throws {@link
 * java.lang.IllegalStateException}. Sizes are in bytes; bus addresses (IOVAs) are unsigned. Structs, flags and numbers
 * are those of {@code linux/vfio.h}.
 *
 * <pre>{@code
 * try (Device device = Device.open(kernel, address)) {
 *     Container container = device.container();
 *     container.apply(container.planWindow(WindowRequest.of(bytes).dmaMaskBits(40)));
 *     DmaMemory memory = container.allocate(bytes);
 *     DmaMapping mapping = container.map(memory.range(), DmaDirection.BIDIRECTIONAL, DmaConstraints.ofMaskBits(40));
 *     device.enableBusMastering();
 *     // the device uses mapping.iova(), the program memory.segment()
 * }
 * }</pre>
 *
 * <h2>Container</h2>
 *
 * A {@link org.jvfio.Container} is an address space for DMA: its devices reach the memory that is mapped in it and
 * nothing else, as a program reaches the memory of its process. A container belongs to the process that opened it, and
 * is empty at first; groups are attached to it, windows are created and memory is allocated in it.
 *
 * <p>Closing a container closes everything in it, from any thread and in the order that the hardware needs: devices
 * stop DMA, mappings are unmapped, memory is unregistered and freed, windows are removed, groups return to the host.
 * Closing one object of it keeps this order, too. Closing twice has no effect, and a close waits for calls of other
 * threads. A container that becomes unreachable while it is open is logged, with the place where it was opened.
 *
 * <p>Groups can share a container, and so an address space, if their bridges are of one kind. Error handling ({@link
 * org.jvfio.Eeh}) is then not available, and no group can be detached while there are mappings, because Linux 6.11 and
 * newer clears those of the other groups, too.
 *
 * <h2>Group</h2>
 *
 * A {@link org.jvfio.Group} is the unit that the host hands over: the PCI functions that the IOMMU cannot distinguish,
 * usually those of one slot. It has a number, N in {@code /dev/vfio/N}. It can be attached if it is <em>viable</em>:
 * all its functions are bound to vfio-pci, or to no driver that does DMA. {@link org.jvfio.IommuGroup} names the
 * functions that prevent it.
 *
 * <p>While a group is attached, the host has no window in it and no bypass (the direct view of all memory that the
 * host's own drivers use); both return when the group is closed or the process ends. The kernel logs it: {@code
 * Disabling 64-bit DMA bypass}, {@code Removing DMA window #0}, and at the end {@code Enabling 64-bit DMA bypass}. A
 * group is open in one process at a time; a second open fails with EBUSY.
 *
 * <h2>PE</h2>
 *
 * A partitionable endpoint (PE) is the same set of functions as the PCI host bridge (PHB) knows it: on POWER each group
 * is one. Where an x86 has one IOMMU for many devices, a PHB keeps a table for each PE: which windows it has, and where
 * their tables are in memory. So two groups never disturb each other, and two PEs in one container have two windows
 * each, with tables that they share (in an LPAR each has its own, and a container holds one group).
 *
 * <p>The bridge checks every DMA of a PE. The first one that no mapping allows <em>freezes</em> the PE; see EEH below.
 *
 * <h2>Window</h2>
 *
 * A {@link org.jvfio.DmaWindow} is a range of bus addresses that is translated, with pages of one size. A container has
 * at most two. It begins with the {@linkplain org.jvfio.Container#defaultWindow default window}: 4K pages, at bus
 * address 0, 1 or 2 GiB, for devices with 32-bit addresses; the kernel creates it when it is first needed. A second one
 * can be {@linkplain org.jvfio.Container#createWindow created}: larger, with larger pages, at bus address 1&lt;&lt;59,
 * for devices with 64-bit addresses; or on powernv in place of the default window, if that is closed first.
 *
 * <p>Which window suits a driver depends on the device's address bits, the size and the pages of the memory, what the
 * platform offers, and how much memory may be locked for tables. {@link org.jvfio.Container#planWindow} chooses one,
 * with a reason for each choice, and changes nothing; {@link org.jvfio.Container#apply(org.jvfio.WindowPlan)} creates
 * it.
 *
 * <p>Memory can be mapped in a window if it is backed by pages at least as large as the window's: windows with larger
 * pages than the system's need {@linkplain org.jvfio.Container#allocate(long, org.jvfio.PageSize) huge pages}.
 * Addresses, offsets and sizes of mappings are multiples of the window's page size. The window allocates the lowest
 * free addresses that the device reaches ({@link org.jvfio.DmaConstraints}), or the caller chooses them; some can be
 * {@linkplain org.jvfio.DmaWindow#reserve reserved}. {@link org.jvfio.Container#map} chooses the window, too.
 *
 * <h2>TCE</h2>
 *
 * A translation control entry (TCE) is to a window what a page table entry is to a process: 8 bytes, big-endian, that
 * hold the address of a page in memory, and whether the device may read or write it. {@link org.jvfio.DmaWindow#map}
 * writes them, closing the {@link org.jvfio.DmaMapping} clears them, and {@link org.jvfio.DmaMapping#replace} exchanges
 * them in one call. For a buffer that is mapped repeatedly, {@linkplain org.jvfio.DmaWindow#prepare prepare} a mapping.
 *
 * <p>The memory behind them must stay in place: it is registered with the container, which pins it and charges it to
 * the locked memory of the process, as {@link org.jvfio.DmaMemory}. The table of a window is created with the window,
 * with 1 to 5 levels of at most 16 MiB each; on powernv the kernel charges twice its size ({@link
 * org.jvfio.DmaWindow#tableBytes}), as it keeps the user's addresses beside it. So 1 GiB in 4K pages costs 4 MiB, in
 * 64K pages 256 KiB. {@link org.jvfio.LockedMemory} returns how much may still be locked.
 *
 * <h2>Device</h2>
 *
 * A {@link org.jvfio.Device} has registers, in {@linkplain org.jvfio.Device#bar BARs}, and a {@linkplain
 * org.jvfio.Device#configSpace configuration space}. A {@link org.jvfio.Region} is accessed by loads and stores where
 * the kernel allows it to be mapped, by system calls elsewhere, and orders its accesses with those of memory as a
 * driver needs it. An access that the device cannot complete, because its memory is disabled, or it is in low power or
 * detached, throws an exception.
 *
 * <h2>Interrupt</h2>
 *
 * A device {@linkplain org.jvfio.Device#enableInterrupts interrupts} by INTx or by messages (MSI, MSI-X). The kernel
 * adds each interrupt to the counter of an eventfd; one thread of the device polls the eventfds, wakes {@linkplain
 * org.jvfio.Interrupts#await waiting threads} and calls {@linkplain org.jvfio.Interrupts#onInterrupt handlers}. INTx
 * stays asserted until the driver acknowledges it at the device, so the kernel masks it, and the driver unmasks it. The
 * kernel reports in the same way that it {@linkplain org.jvfio.Device#onDeviceRequest needs the device back}.
 *
 * <h2>Reset</h2>
 *
 * {@link org.jvfio.Device#reset} resets the function alone, {@link org.jvfio.Device#hotReset} all devices of its bus,
 * and {@link org.jvfio.Device#recover} does what makes a device that does not respond respond again: with EEH a reset
 * of the PE. After each of them the driver initializes its device again.
 *
 * <h2>EEH</h2>
 *
 * With enhanced error handling (EEH), POWER freezes a PE after a DMA that no mapping allows, or an error on the bus.
 * Loads from its registers and configuration space return all ones, stores and DMA are dropped, interrupts do not
 * arrive. Other devices and the host are not affected. The freeze is not signalled: a driver that reads all ones where
 * that is no valid value calls {@link org.jvfio.Device#condition}; reads of BARs do it, and throw.
 *
 * <p>To examine the device, {@link org.jvfio.Eeh#unfreezeIo} makes registers readable while DMA stays off. To recover
 * it, {@link org.jvfio.Device#recover} resets the PE: the kernel restores the BARs, windows and mappings stay, and the
 * device is in its state after power-on, for the driver to initialize. EEH works on a whole group, so {@link
 * org.jvfio.Container#eeh} needs it alone in its container; most guests have no EEH, where the same call resets the bus
 * or opens the device again.
 */
@NullMarked
package org.jvfio;

import org.jspecify.annotations.NullMarked;
