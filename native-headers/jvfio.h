/* Everything of C that org.jvfio.uapi is generated from: the kernel's uapi headers, and one name of glibc's. */
#include <linux/vfio.h>
#include <linux/pci_regs.h>
#include <asm/eeh.h>

#include <linux/capability.h>
#include <linux/errno.h>
#include <linux/eventfd.h>
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/poll.h>
#include <linux/resource.h>

/* The names of sysconf(3). The file holds nothing else, and wants to be read through unistd.h only. */
#define _UNISTD_H 1
#include <bits/confname.h>
