package org.jvfio;

/**
 * What a device has of one type of interrupts ({@code VFIO_DEVICE_GET_IRQ_INFO}).
 *
 * @param count how many vectors; 0 if it has none of this type
 * @param eventfd whether they can be enabled at all
 * @param maskable whether {@link Interrupts#mask} and {@link Interrupts#unmask} work
 * @param automasked whether the kernel masks a vector when it has fired
 * @param resizable whether the kernel can change the number of enabled vectors one by one; this library enables all at once
 */
public record InterruptInfo(int count, boolean eventfd, boolean maskable, boolean automasked, boolean resizable) {}
