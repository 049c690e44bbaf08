/* SPDX-License-Identifier: Apache-2.0 */
/* discover/elf: small files made by hand, whole, cut at every byte and with lying fields. */
#include "unit.h"

#include <elf.h>

#include "discover/elf.h"

#define BASE 0x400000
#define GO_AT 0x300
#define MODULES "0123456789abcdefpath\tshop\nmod\tshop\tv1.4.0\th1:x\ndep\ta\tv0.1.0\n" \
		"build\tvcs.revision=c0ffee\n0123456789abcdef"

struct image {
	Elf64_Ehdr head;
	Elf64_Phdr segments[2];
	Elf64_Nhdr note;
	char name[4];
	unsigned char id[20];
	char rest[1800];
};

static void image_make(struct image *m)
{
	*m = (struct image){ 0 };
	memcpy(m->head.e_ident, ELFMAG, SELFMAG);
	m->head.e_ident[EI_CLASS] = ELFCLASS64;
	m->head.e_ident[EI_DATA] = ELFDATA2LSB;
	m->head.e_phoff = offsetof(struct image, segments);
	m->head.e_phentsize = sizeof(Elf64_Phdr);
	m->head.e_phnum = 2;
	m->segments[0] = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = offsetof(struct image, note), .p_filesz = 36 };
	m->segments[1] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_flags = PF_R | PF_W, .p_vaddr = BASE,
				       .p_filesz = sizeof(*m) };
	m->note = (Elf64_Nhdr){ 4, 20, NT_GNU_BUILD_ID };
	memcpy(m->name, "GNU", 4);
	for (size_t i = 0; i < 20; i++)
		m->id[i] = (unsigned char)(0xa0 + i);
}

static void go_head(struct image *m, unsigned char flags)
{
	char *p = (char *)m + GO_AT;

	memcpy(p, "\xff Go buildinf:", 14);
	p[14] = 8;
	p[15] = (char)flags;
}

static void go_inline(struct image *m)
{
	char *p = (char *)m + GO_AT + 32;

	go_head(m, 2);
	*p++ = 8;
	memcpy(p, "go1.22.1", 8);
	p += 8;
	*p++ = (char)((sizeof(MODULES) - 1) & 0x7f) | (char)0x80;
	*p++ = (char)((sizeof(MODULES) - 1) >> 7);
	memcpy(p, MODULES, sizeof(MODULES) - 1);
}

static void go_pointed(struct image *m)
{
	uint64_t pointers[2] = { BASE + GO_AT + 48, BASE + GO_AT + 64 };
	uint64_t version[2] = { BASE + GO_AT + 80, 7 }, modules[2] = { BASE + GO_AT + 96, sizeof(MODULES) - 1 };
	char *p = (char *)m + GO_AT;

	go_head(m, 0);
	memcpy(p + 16, pointers, 16);
	memcpy(p + 48, version, 16);
	memcpy(p + 64, modules, 16);
	memcpy(p + 80, "go1.13x", 7);
	memcpy(p + 96, MODULES, sizeof(MODULES) - 1);
}

static int read_bytes(struct elf_facts *out, const void *bytes, size_t n)
{
	_cleanup_(closep) int fd = memfd_create("elf", 0);

	assert_int_equal(write(fd, bytes, n), (ssize_t)n);
	return elf_read(out, fd);
}

TEST(build_ids_are_hex)
{
	struct elf_facts f;
	struct image m;

	image_make(&m);
	assert_int_equal(read_bytes(&f, &m, sizeof(m)), 0);
	assert_string_equal(f.build_id, "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3");
	assert_false(f.go);
}

TEST(go_build_information_is_read_in_both_forms)
{
	static void (*const forms[])(struct image *m) = { go_inline, go_pointed };
	static const char *const versions[] = { "go1.22.1", "go1.13x" };

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		struct elf_facts f;
		struct image m;

		image_make(&m);
		forms[i](&m);
		assert_int_equal(read_bytes(&f, &m, sizeof(m)), 0);
		assert_true(f.go);
		assert_string_equal(f.go_version, versions[i]);
		assert_string_equal(f.module_version, "v1.4.0");
		assert_string_equal(f.vcs_revision, "c0ffee");
	}
}

TEST(cut_files_say_less_and_nothing_wrong)
{
	struct elf_facts f, whole;
	struct image m;

	image_make(&m);
	go_inline(&m);
	read_bytes(&whole, &m, sizeof(m));
	for (size_t n = 0; n < sizeof(m); n++) {
		if (read_bytes(&f, &m, n))
			continue;
		assert_true(!f.build_id[0] || !strcmp(f.build_id, whole.build_id));
		assert_true(!f.vcs_revision[0] || !strcmp(f.vcs_revision, whole.vcs_revision));
	}
}

TEST(what_is_no_64_bit_elf_is_refused)
{
	struct elf_facts f;
	struct image m;

	assert_int_equal(read_bytes(&f, "#!/bin/sh\n", 10), -ENOEXEC);
	image_make(&m);
	m.head.e_ident[EI_CLASS] = ELFCLASS32;
	assert_int_equal(read_bytes(&f, &m, sizeof(m)), -ENOEXEC);
	image_make(&m);
	m.head.e_phoff = UINT64_MAX - 3;
	assert_int_equal(read_bytes(&f, &m, sizeof(m)), -ENOEXEC);
}

TEST(lying_lengths_are_not_followed)
{
	struct elf_facts f;
	struct image m;

	image_make(&m);
	m.note.n_namesz = UINT32_MAX;
	assert_int_equal(read_bytes(&f, &m, sizeof(m)), 0);
	assert_string_equal(f.build_id, "");
	image_make(&m);
	m.note.n_descsz = UINT32_MAX - 1;
	assert_int_equal(read_bytes(&f, &m, sizeof(m)), 0);
	assert_string_equal(f.build_id, "");
	image_make(&m);
	go_inline(&m);
	memset((char *)&m + GO_AT + 32, 0xff, 16);
	assert_int_equal(read_bytes(&f, &m, sizeof(m)), 0);
	assert_true(f.go);
	assert_string_equal(f.go_version, "");
}

TEST(versions_with_odd_bytes_are_unknown)
{
	struct elf_facts f;
	struct image m;

	image_make(&m);
	go_inline(&m);
	((char *)&m)[GO_AT + 34] = '\xff';
	assert_int_equal(read_bytes(&f, &m, sizeof(m)), 0);
	assert_string_equal(f.go_version, "");
	assert_string_equal(f.vcs_revision, "c0ffee");
}

RUN_TESTS
