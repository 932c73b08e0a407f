package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;
import org.jvfio.PciAddress;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.example.CopyDriver;

/** The driver in the README copies through the device of every host. */
@ContractTest
class ReadmeDriverTest extends Contract {
    ReadmeDriverTest(ContractHost host) {
        super(host, host.startWatched());
    }

    @Test
    void copyDriver_everyHost_copies() {
        PciAddress edu = PciAddress.parse(first.address());
        assertEquals("Hello, POWER", CopyDriver.copy(process.kernel(), edu, "Hello, POWER"));
    }
}
