/*
 * The ABI table: compiled for ppc64le to assembler text and never run, as the kernel's own asm-offsets are. Each ".row"
 * of the text is a line of the table. rows.h is made by scripts/generate-bindings, of includes.txt.
 */
#include "jvfio.h"

#define CONSTANT(name) asm volatile("\n.row constant " #name " %0 %1" ::"i"((long)(name)), "i"(sizeof(name)));
#define STRUCT(tag) asm volatile("\n.row struct " #tag " %0 %1" ::"i"(sizeof(struct tag)), "i"(_Alignof(struct tag)));
#define ERRNO(name) asm volatile("\n.row errno " #name " %0" ::"i"(name));

#define ROW_OF_FIELD(tag, field, size) \
    asm volatile("\n.row field " #tag "." #field " %0 %1" ::"i"(__builtin_offsetof(struct tag, field)), "i"(size));
#define FIELD(tag, field) ROW_OF_FIELD(tag, field, sizeof(((struct tag *)0)->field))
#define FLEXIBLE_ARRAY(tag, field) ROW_OF_FIELD(tag, field, 0)

void rows(void) {
#include "rows.h"
}
