/**
 * VFIO on POWER for Java programs: containers, groups, devices, DMA windows and DMA memory of the SPAPR TCE IOMMU.
 *
 * <p>{@link org.jvfio.Device#open} is where most drivers begin. All of it works on a {@link org.jvfio.kernel.Kernel},
 * be it Linux or an emulated one. What cannot be done is a {@link org.jvfio.VfioException}, which names the call, its
 * arguments, the cause and what to do; calls that would harm the host are refused before they are made. What is closed
 * says so with an {@link java.lang.IllegalStateException}. Sizes are in bytes; bus addresses (IOVAs) are unsigned.
 * Structs, flags and numbers are those of {@code linux/vfio.h}.
 *
 * <pre>{@code
 * try (Device device = Device.open(kernel, address)) {
 *     Container container = device.container();
 *     container.apply(container.planWindow(WindowRequest.of(bytes).dmaMaskBits(40)));
 *     DmaMemory memory = container.allocate(bytes);
 *     DmaMapping mapping = container.map(memory.range(), DmaDirection.BIDIRECTIONAL, DmaConstraints.ofMaskBits(40));
 *     device.enableBusMastering();
 *     // mapping.iova() is what the device is told, memory.segment() what the program sees
 * }
 * }</pre>
 *
 * <h2>Container</h2>
 *
 * A {@link org.jvfio.Container} is an address space: what the devices in it see of memory when they do DMA. It is to
 * them what a process is to a program: they reach what is mapped in it and nothing else. A container belongs to the
 * process that opened it, and begins empty; groups are attached to it, and windows and memory come from it.
 *
 * <p>Everything in it is closed with it, by any thread and in the order that the hardware needs: devices stop doing
 * DMA, mappings go, memory is unregistered and freed, windows are removed, groups return to the host. Whatever is
 * closed by itself keeps that order too, as far as it goes; closing twice does no harm, and no close runs under a call
 * of another thread. A container that becomes unreachable while it is open is reported, with the place where it was
 * opened.
 *
 * <p>One container holds several groups only if one address space is meant for all of them, and their bridges are of
 * one kind. Error handling ({@link org.jvfio.Eeh}) then is not available, and no group may leave while there are
 * mappings, because Linux 6.11 and newer clears those of the others too.
 *
 * <h2>Group</h2>
 *
 * A {@link org.jvfio.Group} is what the host gives away at once: the PCI functions that the IOMMU cannot tell apart,
 * most often those of one slot. It has a number, N in {@code /dev/vfio/N}. All its functions must be bound to vfio-pci,
 * or to no driver that does DMA, before it can be attached: it is <em>viable</em> then, and {@link
 * org.jvfio.IommuGroup} tells who holds it back otherwise.
 *
 * <p>While a program has it, the host has no window in it and no bypass (the plain view of all memory that the host's
 * own drivers use); both return when the group is closed, or the process ends, however that happens. The kernel says so
 * in its log: {@code Disabling 64-bit DMA bypass}, {@code Removing DMA window #0}, and at the end {@code Enabling
 * 64-bit DMA bypass}. One process has a group at a time; another one that opens it gets EBUSY.
 *
 * <h2>PE</h2>
 *
 * A partitionable endpoint (PE) is the same set of functions as the PCI host bridge (PHB) knows it: on POWER each group
 * is one. Where an x86 has one IOMMU for many devices, a PHB keeps a table for each PE: which windows it has, and where
 * their tables are in memory. So two groups never disturb each other, and two PEs in one container have two windows
 * each, with tables that they share (in an LPAR each has its own, and a container one group).
 *
 * <p>The bridge checks every DMA of a PE. The first one that no mapping allows <em>freezes</em> the PE: what comes next
 * is under EEH.
 *
 * <h2>Window</h2>
 *
 * A {@link org.jvfio.DmaWindow} is a range of bus addresses that is translated, with pages of one size. A container has
 * two at most. It begins with the {@linkplain org.jvfio.Container#defaultWindow default window}: 4K pages, at bus
 * address 0, 1 or 2 GiB, for devices with 32-bit addresses; the kernel makes it when it is first needed. Another one
 * can be {@linkplain org.jvfio.Container#createWindow created}: larger, with larger pages, at bus address 1&lt;&lt;59,
 * so for devices with 64-bit addresses; or on powernv in place of the default window, if that is closed first.
 *
 * <p>Which window serves a driver is a matter of the device's address bits, the size and the pages of the memory, what
 * the platform offers, and how much may be locked for tables. {@link org.jvfio.Container#planWindow} answers that, with
 * a reason for each choice, before anything is touched; {@link org.jvfio.Container#apply(org.jvfio.WindowPlan)} does
 * it.
 *
 * <p>Memory can be mapped in a window if it is made of pages at least as large as the window's: windows of more than
 * the system page need {@linkplain org.jvfio.Container#allocate(long, org.jvfio.PageSize) huge pages}. Addresses,
 * offsets and sizes of mappings are multiples of the window's page. Addresses come from the window, the lowest that are
 * free and that the device reaches ({@link org.jvfio.DmaConstraints}), or are the caller's; some can be {@linkplain
 * org.jvfio.DmaWindow#reserve reserved}. {@link org.jvfio.Container#map} picks the window too.
 *
 * <h2>TCE</h2>
 *
 * A translation control entry (TCE) is to a window what a page table entry is to a process: 8 bytes, big-endian, that
 * say where a page of the window is in memory, and whether the device may read or write it. {@link
 * org.jvfio.DmaWindow#map} writes them, closing the {@link org.jvfio.DmaMapping} clears them, and {@link
 * org.jvfio.DmaMapping#replace} puts others in their place in one call. A buffer that is used again and again is best
 * {@linkplain org.jvfio.DmaWindow#prepare prepared}.
 *
 * <p>The memory behind them must not move or go: it is registered with the container, which pins it and charges it to
 * the locked memory of the process, as {@link org.jvfio.DmaMemory}. The table of a window is made when the window is,
 * of 1 to 5 levels of at most 16 MiB each; on powernv the kernel charges twice its size ({@link
 * org.jvfio.DmaWindow#tableBytes}), as it keeps the user's addresses beside it. 1 GiB in 4K pages so costs 4 MiB, in
 * 64K pages 256 KiB. {@link org.jvfio.LockedMemory} tells how much may still be locked.
 *
 * <h2>Device</h2>
 *
 * A {@link org.jvfio.Device} has registers, in {@linkplain org.jvfio.Device#bar BARs}, and a {@linkplain
 * org.jvfio.Device#configSpace configuration space}. A {@link org.jvfio.Region} is accessed by loads and stores where
 * the kernel lets it be mapped, by calls elsewhere, and orders its accesses with those of memory as a driver needs it.
 * What a device cannot answer is an exception: its memory may be disabled, its power gone, the device itself.
 *
 * <h2>Interrupt</h2>
 *
 * A device {@linkplain org.jvfio.Device#enableInterrupts interrupts} by its line (INTx) or by messages (MSI, MSI-X).
 * The kernel turns each interrupt into a count of an eventfd; one thread of the device polls those, and wakes whoever
 * {@linkplain org.jvfio.Interrupts#await waits} or calls a {@linkplain org.jvfio.Interrupts#onInterrupt handler}. A
 * line stays asserted until the driver has told the device, so the kernel masks it, and the driver unmasks it. The
 * kernel tells in the same way that it {@linkplain org.jvfio.Device#onDeviceRequest wants the device back}.
 *
 * <h2>Reset</h2>
 *
 * {@link org.jvfio.Device#reset} resets the function alone, {@link org.jvfio.Device#hotReset} all devices of its bus,
 * {@link org.jvfio.Eeh#recover} the PE. After each of them the driver sets its device up anew.
 *
 * <h2>EEH</h2>
 *
 * Enhanced error handling (EEH) is what POWER does instead of going on: after a DMA that no mapping allows, or an error
 * on the bus, the PE is frozen. Loads from its registers and configuration space give all ones, stores and DMA are
 * dropped, interrupts do not come. Nothing is signalled, so that other devices and the host never suffer, and the
 * driver has to ask: one that reads all ones where that is no value calls {@link org.jvfio.Eeh#state}.
 *
 * <p>To find out what happened, {@link org.jvfio.Eeh#unfreezeIo} makes registers readable while DMA stays off. To go
 * on, {@link org.jvfio.Eeh#recover} resets the PE: the kernel restores the BARs, windows and mappings are still there,
 * and the device is as after power on, for the driver to set up anew. EEH is a matter of the group, so {@link
 * org.jvfio.Container#eeh} needs it alone in its container; in most guests there is none.
 */
@NullMarked
package org.jvfio;

import org.jspecify.annotations.NullMarked;
