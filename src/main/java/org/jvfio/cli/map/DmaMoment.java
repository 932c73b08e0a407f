package org.jvfio.cli.map;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jvfio.DmaDirection;
import org.jvfio.IovaRange;
import org.jvfio.PageSize;

/**
 * The DMA address space of a group at one moment.
 *
 * @param title what has happened, in one line
 * @param owner who owns the group
 * @param mapsSeen whether the mappings of the owner are known
 * @param bypass whether the 64-bit bypass is on; empty where the platform does not say
 * @param windows by address
 */
public record DmaMoment(String title, String owner, boolean mapsSeen, Optional<Boolean> bypass, List<Window> windows) {

    public DmaMoment {
        windows = List.copyOf(windows);
    }

    /** A mapping. */
    public record Mapping(IovaRange range, DmaDirection direction) {}

    /**
     * A window.
     *
     * @param mappings by address
     */
    public record Window(int number, IovaRange range, PageSize page, List<Mapping> mappings) {
        public Window {
            mappings = List.copyOf(mappings);
        }

        /** Bytes that are mapped. */
        public long mappedBytes() {
            return mappings.stream()
                    .mapToLong(mapping -> mapping.range().size())
                    .sum();
        }

        /** The parts of the window that are not mapped, by address. */
        public List<IovaRange> holes() {
            List<IovaRange> holes = new ArrayList<>();
            long next = range.start();
            for (Mapping mapping : mappings) {
                if (mapping.range().start() != next) {
                    holes.add(new IovaRange(next, mapping.range().start() - next));
                }
                next = mapping.range().last() + 1;
            }
            long left = range.size() - (next - range.start());
            if (left != 0) {
                holes.add(new IovaRange(next, left));
            }
            return holes;
        }

        /**
         * The part of the window that a picture shows enlarged: the smallest power of two of bytes, at a multiple of
         * itself, that has all mappings.
         *
         * @return empty if nothing is mapped, or that part is a quarter of the window or more
         */
        public Optional<IovaRange> detail() {
            if (mappings.isEmpty()) {
                return Optional.empty();
            }
            long first = mappings.getFirst().range().start() - range.start();
            long last = mappings.getLast().range().last() - range.start();
            int shift = Math.max(Long.SIZE - Long.numberOfLeadingZeros(first ^ last), page.shift());
            if (shift >= Long.SIZE - 2 || Long.compareUnsigned(4L << shift, range.size()) > 0) {
                return Optional.empty();
            }
            return Optional.of(new IovaRange(range.start() + (first >>> shift << shift), 1L << shift));
        }

        /**
         * How much of each of some equal parts of a range is mapped, from 0 to 1.
         *
         * @param part within the window
         * @param cells how many parts
         */
        public double[] occupancy(IovaRange part, int cells) {
            double[] share = new double[cells];
            double bytesPerCell = unsigned(part.size()) / cells;
            for (Mapping mapping : mappings) {
                if (!mapping.range().overlaps(part)) {
                    continue;
                }
                double start = part.contains(mapping.range().start())
                        ? unsigned(mapping.range().start() - part.start())
                        : 0;
                double end = part.contains(mapping.range().last())
                        ? unsigned(mapping.range().last() - part.start()) + 1
                        : unsigned(part.size());
                int lastCell = (int) Math.min(cells - 1, Math.ceil(end / bytesPerCell) - 1);
                for (int cell = (int) (start / bytesPerCell); cell <= lastCell; cell++) {
                    double from = Math.max(start, cell * bytesPerCell);
                    double to = Math.min(end, (cell + 1) * bytesPerCell);
                    share[cell] = Math.min(1, share[cell] + Math.max(0, to - from) / bytesPerCell);
                }
            }
            return share;
        }
    }

    /** An unsigned number, which loses its last bits where it is beyond 2<sup>53</sup>. */
    static double unsigned(long value) {
        return value >= 0 ? value : (value >>> 1) * 2.0;
    }
}
