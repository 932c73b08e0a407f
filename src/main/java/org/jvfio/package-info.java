/**
 * VFIO on POWER for Java programs: containers, groups, devices, DMA windows and DMA memory of the SPAPR TCE IOMMU.
 *
 * <p>{@link org.jvfio.Device#open} is where most drivers begin. All of it works on a {@link org.jvfio.kernel.Kernel}, be it
 * Linux or an emulated one. What cannot be done is a {@link org.jvfio.VfioException}, which names the call, its arguments,
 * the cause and what to do; calls that would harm the host are refused before they are made.
 *
 * <h2>Container</h2>
 *
 * A {@link org.jvfio.Container} is an address space: what the devices in it see of memory when they do DMA. It is to them
 * what a process is to a program: they reach what is mapped in it and nothing else. A container belongs to the process
 * that opened it, and begins empty; groups are attached to it, and windows and memory come from it. Everything in it is
 * closed with it, in the order that the hardware needs: devices stop doing DMA, mappings go, memory is unregistered and
 * freed, windows are removed, groups return to the host. One container holds several groups only if one address space is
 * meant for all of them; error handling ({@link org.jvfio.Eeh}) then is not available, and no group may leave while there
 * are mappings, because Linux 6.11 and newer clears those of the others too.
 *
 * <h2>Group</h2>
 *
 * A {@link org.jvfio.Group} is what the host gives away at once: the PCI functions that the IOMMU cannot tell apart. It has
 * a number, N in {@code /dev/vfio/N}. All its functions must be bound to vfio-pci, or to no driver that does DMA, before it
 * can be attached: it is <em>viable</em> then, and {@link org.jvfio.IommuGroup} tells who holds it back otherwise. While a
 * program has it, the host has no window in it and no bypass (the plain view of all memory that the host's own drivers
 * use); both return when the group is closed, or the process ends, however that happens.
 *
 * <h2>PE</h2>
 *
 * A partitionable endpoint (PE) is the same set of functions as the PCI host bridge (PHB) knows it: on POWER each group is
 * one. The bridge checks every DMA of a PE, and the first that no mapping allows <em>freezes</em> it: loads from its
 * registers give all ones, stores and DMA are dropped, until the PE is reset. Nothing is signalled. A driver that reads
 * all ones asks {@link org.jvfio.Eeh#state} and brings the PE back with {@link org.jvfio.Eeh#recover}.
 *
 * <h2>Window</h2>
 *
 * A {@link org.jvfio.DmaWindow} is a range of bus addresses (IOVAs) that is translated, with pages of one size. Every
 * container begins with the {@linkplain org.jvfio.Container#defaultWindow default window}: 4K pages, at bus address 0, 1 or 2
 * GiB, for devices with 32-bit addresses. One more can be {@linkplain org.jvfio.Container#createWindow created}: larger, with
 * larger pages, on powernv at bus address 1&lt;&lt;59, so for devices with 64-bit addresses; or in place of the default
 * window, if that is closed first. Memory can be mapped in a window if it is made of pages at least as large as the window's:
 * windows of more than the system page need {@linkplain org.jvfio.Container#allocate(long, org.jvfio.PageSize) huge pages}.
 *
 * <h2>TCE</h2>
 *
 * A translation control entry (TCE) is to a window what a page table entry is to a process: 8 bytes that say where a page
 * of the window is in memory, and whether the device may read or write it. {@link org.jvfio.DmaWindow#map} writes them,
 * closing the {@link org.jvfio.DmaMapping} clears them. The table of a window is made when the window is, of 1 to 5 levels
 * of at most 16 MiB each; the kernel charges twice its size ({@link org.jvfio.DmaWindow#tableBytes}) to the locked memory of
 * the process, as it charges the {@link org.jvfio.DmaMemory} that is registered. {@link org.jvfio.LockedMemory} tells how much
 * of that is left.
 *
 * <h2>Device</h2>
 *
 * A {@link org.jvfio.Device} has registers, in {@linkplain org.jvfio.Device#bar BARs}, and a {@linkplain
 * org.jvfio.Device#configSpace configuration space}. A {@link org.jvfio.Region} is accessed by loads and stores where the
 * kernel lets it be mapped, by calls elsewhere, and orders its accesses with those of memory as a driver needs it. What a
 * device cannot answer is an exception: its memory may be disabled, its power gone, the device itself.
 *
 * <h2>Interrupt</h2>
 *
 * A device {@linkplain org.jvfio.Device#enableInterrupts interrupts} by its line (INTx) or by messages (MSI, MSI-X). The
 * kernel turns each interrupt into a count of an eventfd; one thread of the device polls those, and wakes whoever {@linkplain
 * org.jvfio.Interrupts#await waits} or calls a {@linkplain org.jvfio.Interrupts#onInterrupt handler}. A line stays asserted
 * until the driver has told the device, so the kernel masks it, and the driver unmasks it. The kernel tells in the same way
 * that it {@linkplain org.jvfio.Device#onReleaseRequested wants the device back}.
 *
 * <h2>Reset</h2>
 *
 * {@link org.jvfio.Device#reset} resets the function alone, {@link org.jvfio.Device#resetBus} all devices of its bus, {@link
 * org.jvfio.Eeh#recover} the PE. After each of them the driver sets its device up anew.
 */
@NullMarked
package org.jvfio;

import org.jspecify.annotations.NullMarked;
