package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.jvfio.Bar;
import org.jvfio.ConfigSpace;
import org.jvfio.Device;
import org.jvfio.PciAddress;
import org.jvfio.PciCapability;
import org.jvfio.PciCommand;
import org.jvfio.VfioException;
import org.jvfio.contract.host.ContractHost;

/** Configuration space as a driver has it, by the public API. */
@ContractTest
class DriverConfigTest extends Contract {
    private final Device device = Device.open(process.kernel(), PciAddress.parse(first.address()));
    private final ConfigSpace config = device.configSpace();

    DriverConfigTest(ContractHost host) {
        super(host);
    }

    @AfterEach
    void closeDevice() {
        device.close();
    }

    @Test
    void configSpace_edu_ids() {
        assertEquals(0x1234, config.vendorId());
        assertEquals(0x11e8, config.deviceId());
        assertEquals(0x00ff00, config.classCode());
        assertEquals(0x10, config.revision());
        assertEquals(1, config.interruptPin());
    }

    @Test
    void capabilities_edu_msiOnly() {
        List<PciCapability> capabilities = config.capabilities();
        assertEquals(1, capabilities.size(), capabilities::toString);
        PciCapability.Msi msi = config.capability(PciCapability.Msi.class).orElseThrow();
        assertEquals(1, msi.vectors());
        assertTrue(msi.address64());
        assertThrows(VfioException.class, config::powerState);
    }

    @Test
    @Scenario("J7")
    void bars_edu_sizeWithoutMoving() {
        List<Bar> bars = config.bars();
        assertEquals(1, bars.size(), bars::toString);
        Bar bar = bars.getFirst();
        assertEquals(0, bar.index());
        assertEquals(Bar.Kind.MEMORY_32, bar.kind());
        assertEquals(1 << 20, bar.size());
        assertEquals(device.bar(0).size(), bar.size());
        assertEquals(bars, config.bars());
    }

    @Test
    void command_enableAndDisable_bitsChange() {
        assertTrue(config.command().contains(PciCommand.MEMORY));
        config.enable(PciCommand.BUS_MASTER, PciCommand.INTX_DISABLE);
        assertTrue(config.command().containsAll(Set.of(PciCommand.BUS_MASTER, PciCommand.INTX_DISABLE)));
        config.disable(PciCommand.BUS_MASTER, PciCommand.INTX_DISABLE);
        assertTrue(
                config.command().stream().noneMatch(Set.of(PciCommand.BUS_MASTER, PciCommand.INTX_DISABLE)::contains));
    }
}
