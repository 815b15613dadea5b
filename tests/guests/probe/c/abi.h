/* What a guest in C needs to speak the canonical ABI by hand: bytes and lists as they lie
 * in memory, an arena for what a call makes, and names for what crosses. */
#ifndef ABI_H
#define ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE 65536u
#define TRAP() __builtin_trap()

/* --- values: a list is where it begins and how long it is; a string is bytes in UTF-8 -- */

#define LIST(element)   \
  struct {              \
    element *at;        \
    uint32_t length;    \
  }

typedef LIST(uint8_t) bytes;
typedef LIST(bytes) bytes_list;

/* An option, or a result whose err has no type of its own, begins with a byte. */
#define OPTION(type) \
  struct {           \
    bool some;       \
    type value;      \
  }

typedef OPTION(bytes) option_bytes;

#define TEXT(literal) ((bytes){(uint8_t *)("" literal), sizeof(literal) - 1})

/* --- memory: one arena above the static data, emptied when a call's result was read ---- */

extern uint8_t __heap_base;
static uintptr_t arena_end;

static void *allocate_at(uintptr_t size, uintptr_t align) {
  if (arena_end == 0) arena_end = (uintptr_t)&__heap_base;
  uintptr_t at = (arena_end + align - 1) & -align;
  if (at < arena_end || at + size < at) TRAP();
  uintptr_t there = __builtin_wasm_memory_size(0) * PAGE;
  if (at + size > there) {
    uintptr_t pages = (at + size - there + PAGE - 1) / PAGE;
    if (__builtin_wasm_memory_grow(0, pages) == (uintptr_t)-1) TRAP();
  }
  arena_end = at + size;
  return (void *)at;
}

static inline void *allocate(uintptr_t size) { return allocate_at(size, 8); }

/* The host allocates here what it hands over. One that converts text guesses the length
 * and corrects it, so the last block grows and shrinks in place. */
__attribute__((export_name("cabi_realloc"))) void *cabi_realloc(void *old,
                                                                uint32_t old_size,
                                                                uint32_t align,
                                                                uint32_t size) {
  if (old_size == 0) return allocate_at(size, align);
  if ((uintptr_t)old + old_size == arena_end) arena_end = (uintptr_t)old;
  void *moved = allocate_at(size, align);
  if (moved != old) __builtin_memcpy(moved, old, old_size < size ? old_size : size);
  return moved;
}

/* --- what crosses ----------------------------------------------------------------------
 * EXPORT and IMPORT name a core function; FREE says that the arena is emptied once the
 * host has read the function's result. */

#define IMPORT(interface, name) \
  __attribute__((import_module(interface), import_name(name))) extern
#define EXPORT(interface, name) __attribute__((export_name(interface "#" name)))
#define FREE(interface, name, function)                                        \
  __attribute__((export_name("cabi_post_" interface "#" name))) void function( \
      void *result) {                                                          \
    (void)result;                                                              \
    arena_end = (uintptr_t)&__heap_base;                                       \
  }

/* Return a result that is more than one number: it stays in the arena until FREE. */
#define LEAVE(type, ...)                    \
  do {                                      \
    type *result_ = allocate(sizeof(type)); \
    *result_ = (type)__VA_ARGS__;           \
    return result_;                         \
  } while (0)

/* --- small things ---------------------------------------------------------------------- */

static inline bytes new_bytes(uint32_t length) {
  return (bytes){allocate(length), length};
}

static inline bytes joined(bytes a, bytes b) {
  bytes both = new_bytes(a.length + b.length);
  __builtin_memcpy(both.at, a.at, a.length);
  __builtin_memcpy(both.at + a.length, b.at, b.length);
  return both;
}

static inline bytes reversed(bytes data) {
  bytes turned = new_bytes(data.length);
  for (uint32_t i = 0; i < data.length; i++)
    turned.at[i] = data.at[data.length - 1 - i];
  return turned;
}

static inline bool same(bytes a, bytes b) {
  if (a.length != b.length) return false;
  for (uint32_t i = 0; i < a.length; i++)
    if (a.at[i] != b.at[i]) return false;
  return true;
}

#endif
