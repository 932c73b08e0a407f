/**
 * The hosts that the contract is checked on, and the processes, open files and devices of the tests: thin wrappers of
 * the system calls, which return what the kernel returned.
 */
@NullMarked
package org.jvfio.contract.host;

import org.jspecify.annotations.NullMarked;
