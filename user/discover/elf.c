/* SPDX-License-Identifier: Apache-2.0 */
/* elf.h: the ELF structures are elf(5)'s, the Go ones those of the Go package debug/buildinfo. */
#include "discover/elf.h"

#include <elf.h>
#include <stdio.h>

#include "base/str.h"

#define HEADERS_MAX 256			/* program headers looked at */
#define SECTIONS_MAX 4096
#define NOTES_MAX 65536			/* bytes of one PT_NOTE */
#define GO_SEARCH 65536			/* Go puts its blob into the first 64 KiB of the data segment */
#define GO_MODULES_MAX (512 << 10)	/* text about the module and all its dependencies */

struct file {
	int fd;
	Elf64_Ehdr head;
	Elf64_Phdr segments[HEADERS_MAX];
	size_t n_segments;
};

/* Exactly n bytes at offset; false when there are fewer. */
static bool read_at(int fd, uint64_t offset, void *to, size_t n)
{
	if (offset > INT64_MAX - n)
		return false;
	return pread(fd, to, n, (off_t)offset) == (ssize_t)n;
}

static int file_open(struct file *f, int fd)
{
	f->fd = fd;
	if (!read_at(fd, 0, &f->head, sizeof(f->head)))
		return -ENOEXEC;
	if (memcmp(f->head.e_ident, ELFMAG, SELFMAG) || f->head.e_ident[EI_CLASS] != ELFCLASS64 ||
	    f->head.e_ident[EI_DATA] != ELFDATA2LSB || f->head.e_phentsize != sizeof(Elf64_Phdr))
		return -ENOEXEC;
	f->n_segments = MIN((size_t)f->head.e_phnum, (size_t)HEADERS_MAX);
	if (!read_at(fd, f->head.e_phoff, f->segments, f->n_segments * sizeof(*f->segments)))
		return -ENOEXEC;
	return 0;
}

/* n bytes at a virtual address, if a segment has them in the file. */
static bool read_virtual(const struct file *f, uint64_t address, void *to, size_t n)
{
	for (size_t i = 0; i < f->n_segments; i++) {
		const Elf64_Phdr *s = &f->segments[i];
		uint64_t at = address - s->p_vaddr;

		if (s->p_type == PT_LOAD && address >= s->p_vaddr && at < s->p_filesz && n <= s->p_filesz - at &&
		    at <= UINT64_MAX - s->p_offset)
			return read_at(f->fd, s->p_offset + at, to, n);
	}
	return false;
}

/* A note: namesz, descsz, type, then both, each padded to 4 bytes. False at the end. */
static bool note_next(struct str *in, Elf64_Nhdr *note, struct str *name, struct str *desc)
{
	struct str head;
	uint64_t name_room, desc_room;

	if (!take_bytes(in, sizeof(*note), &head))
		return false;
	memcpy(note, head.p, sizeof(*note));
	name_room = ((uint64_t)note->n_namesz + 3) & ~3ull;
	desc_room = ((uint64_t)note->n_descsz + 3) & ~3ull;
	if (name_room > in->n || note->n_descsz > in->n - name_room)
		return false;
	*name = (struct str){ in->p, note->n_namesz };
	*desc = (struct str){ in->p + name_room, note->n_descsz };
	str_skip(in, name_room + desc_room);
	return true;
}

static void build_id_find(struct elf_facts *out, struct str notes)
{
	struct str name, desc;
	Elf64_Nhdr note;

	while (note_next(&notes, &note, &name, &desc)) {
		if (note.n_type != NT_GNU_BUILD_ID || !str_eq(name, (struct str){ ELF_NOTE_GNU, 4 }))
			continue;
		desc.n = MIN(desc.n, (sizeof(out->build_id) - 1) / 2);
		for (size_t i = 0; i < desc.n; i++)
			snprintf(out->build_id + 2 * i, 3, "%02x", (unsigned char)desc.p[i]);
		return;
	}
}

static int notes_read(struct elf_facts *out, const struct file *f)
{
	for (size_t i = 0; i < f->n_segments && !out->build_id[0]; i++) {
		size_t n = MIN(f->segments[i].p_filesz, (uint64_t)NOTES_MAX);
		_cleanup_(freep) char *notes = NULL;

		if (f->segments[i].p_type != PT_NOTE || !n)
			continue;
		notes = malloc(n);
		if (!notes)
			return -ENOMEM;
		if (read_at(f->fd, f->segments[i].p_offset, notes, n))
			build_id_find(out, (struct str){ notes, n });
	}
	return 0;
}

/* The address of a section; false when there is none of that name. */
static bool section_find(const struct file *f, struct str name, uint64_t *address)
{
	size_t n = MIN((size_t)f->head.e_shnum, (size_t)SECTIONS_MAX);
	Elf64_Shdr names, s;
	char text[32];

	if (f->head.e_shentsize != sizeof(s) || name.n > sizeof(text) ||
	    !read_at(f->fd, f->head.e_shoff + (uint64_t)f->head.e_shstrndx * sizeof(s), &names, sizeof(names)))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!read_at(f->fd, f->head.e_shoff + i * sizeof(s), &s, sizeof(s)))
			return false;
		if (!read_at(f->fd, names.sh_offset + s.sh_name, text, name.n))
			continue;
		if (memcmp(text, name.p, name.n) == 0) {
			*address = s.sh_addr;
			return true;
		}
	}
	return false;
}

static bool data_segment_find(const struct file *f, uint64_t *address)
{
	for (size_t i = 0; i < f->n_segments; i++) {
		if (f->segments[i].p_type != PT_LOAD || (f->segments[i].p_flags & (PF_X | PF_W)) != PF_W)
			continue;
		*address = f->segments[i].p_vaddr;
		return true;
	}
	return false;
}

#define GO_MAGIC "\xff Go buildinf:"
#define GO_ALIGN 16
#define GO_HEAD 32
#define GO_FLAG_BIG_ENDIAN 1
#define GO_FLAG_INLINE 2

/* Looks for the blob's head from address on; *address becomes its place. */
static bool go_blob_find(const struct file *f, uint64_t *address, unsigned char head[GO_HEAD])
{
	for (size_t at = 0; at < GO_SEARCH; at += GO_ALIGN) {
		if (*address + at < *address || !read_virtual(f, *address + at, head, GO_HEAD))
			return false;
		if (memcmp(head, GO_MAGIC, sizeof(GO_MAGIC) - 1) == 0) {
			*address += at;
			return true;
		}
	}
	return false;
}

/* Copies n bytes at an address (cut to GO_MODULES_MAX); NULL when they are not there. */
static char *text_read(const struct file *f, uint64_t address, uint64_t n, struct str *text)
{
	_cleanup_(freep) char *p = NULL;

	if (n > GO_MODULES_MAX)
		return NULL;
	p = malloc(n + 1);
	if (!p || !read_virtual(f, address, p, n))
		return NULL;
	p[n] = '\0';
	*text = (struct str){ p, n };
	return TAKE_PTR(p);
}

/* Go 1.18 and later: a length (unsigned varint), then the bytes. *address moves behind them. */
static char *go_inline_read(const struct file *f, uint64_t *address, struct str *text)
{
	uint64_t n = 0, start;
	unsigned shift = 0;
	uint8_t byte;
	char *p;

	do {
		if (shift > 28 || !read_virtual(f, (*address)++, &byte, 1))
			return NULL;
		n |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	start = *address;
	p = text_read(f, start, n, text);
	*address = start + n;
	return p;
}

/* Before Go 1.18: the address of a Go string {address, length}. */
static char *go_pointed_read(const struct file *f, const unsigned char *field, struct str *text)
{
	uint64_t address, string[2];

	memcpy(&address, field, sizeof(address));
	if (!read_virtual(f, address, string, sizeof(string)))
		return NULL;
	return text_read(f, string[0], string[1], text);
}

/* Versions and revisions are printable ASCII; anything else is not one. */
static void copy(char *to, size_t size, struct str from)
{
	for (size_t i = 0; i < from.n; i++)
		if (from.p[i] <= ' ' || from.p[i] > '~')
			return;
	snprintf(to, size, "%.*s", (int)MIN(from.n, size - 1), from.p);
}

/* Lines of the module text: "mod<TAB>path<TAB>version<TAB>sum", "build<TAB>vcs.revision=...". */
static void go_modules_parse(struct elf_facts *out, struct str text)
{
	struct str line, part;

	/* 16 bytes of sentinel on each side (runtime/debug.ReadBuildInfo's reader cuts them off as well). */
	if (text.n >= 33 && text.p[text.n - 17] == '\n') {
		str_skip(&text, 16);
		text.n -= 16;
	}
	while (str_cut(&text, '\n', &line)) {
		if (str_starts(line, STR("build\tvcs.revision="))) {
			str_skip(&line, sizeof("build\tvcs.revision=") - 1);
			copy(out->vcs_revision, sizeof(out->vcs_revision), line);
		} else if (str_starts(line, STR("mod\t"))) {
			str_skip(&line, 4);
			if (!str_cut(&line, '\t', &part))
				continue;
			if (!str_cut(&line, '\t', &part))
				part = line;
			if (!str_eq(part, STR("(devel)")))
				copy(out->module_version, sizeof(out->module_version), part);
		}
	}
}

static void go_read(struct elf_facts *out, const struct file *f)
{
	_cleanup_(freep) char *version = NULL, *modules = NULL;
	struct str version_text, modules_text;
	unsigned char head[GO_HEAD];
	uint64_t address;

	if (!section_find(f, (struct str){ ".go.buildinfo", sizeof(".go.buildinfo") }, &address) &&
	    !data_segment_find(f, &address))
		return;
	if (!go_blob_find(f, &address, head))
		return;
	out->go = true;
	if (head[15] & GO_FLAG_INLINE) {
		address += GO_HEAD;
		version = go_inline_read(f, &address, &version_text);
		modules = version ? go_inline_read(f, &address, &modules_text) : NULL;
	} else if (head[14] == 8 && !(head[15] & GO_FLAG_BIG_ENDIAN)) {
		version = go_pointed_read(f, head + 16, &version_text);
		modules = go_pointed_read(f, head + 24, &modules_text);
	}
	if (version)
		copy(out->go_version, sizeof(out->go_version), version_text);
	if (modules)
		go_modules_parse(out, modules_text);
}

int elf_read(struct elf_facts *out, int fd)
{
	_cleanup_(freep) struct file *f = calloc(1, sizeof(*f));
	struct elf_facts facts = { 0 };
	int err;

	if (!f)
		return -ENOMEM;
	err = file_open(f, fd);
	if (!err)
		err = notes_read(&facts, f);
	if (err)
		return err;
	go_read(&facts, f);
	*out = facts;
	return 0;
}
