/* SPDX-License-Identifier: Apache-2.0 */
/* base/: views, arena, buffer, hash table, messages between the halves. */
#include "unit.h"

#include <sys/socket.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/ipc.h"
#include "base/str.h"

TEST(numbers_that_overflow_are_refused)
{
	uint64_t v = 7;

	assert_true(str_to_u64(STR("18446744073709551615"), &v));
	assert_int_equal(v, UINT64_MAX);
	assert_false(str_to_u64(STR("18446744073709551616"), &v));
	assert_false(str_to_u64(STR(""), &v));
	assert_false(str_to_u64(STR("-1"), &v));
}

TEST(taking_past_the_end_moves_nothing)
{
	struct str in = guarded("abc", 3), part;
	uint32_t v;

	assert_false(take_u32be(&in, &v));
	assert_false(take_bytes(&in, 4, &part));
	assert_false(take_cstr(&in, &part));
	assert_int_equal(in.n, 3);
}

TEST(json_escapes_what_is_not_utf8)
{
	_cleanup_(buf_release) struct buf b = { 0 };

	buf_json(&b, STR("a\"\\\n\xc3\xa9\xff\xed\xa0\x80"));
	buf_char(&b, '\0');
	assert_string_equal(b.p, "a\\\"\\\\\\u000a\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

TEST(hash_finds_all_that_stay_after_deletions)
{
	_cleanup_(hash_release) struct hash h = { 0 };

	for (uint64_t i = 1; i <= 5000; i++)
		assert_int_equal(hash_put(&h, i, (void *)i), 0);
	for (uint64_t i = 1; i <= 5000; i += 2)
		assert_ptr_equal(hash_del(&h, i), (void *)i);
	for (uint64_t i = 1; i <= 5000; i++)
		assert_ptr_equal(hash_get(&h, i), i % 2 ? NULL : (void *)i);
	assert_int_equal(h.n, 2500);
}

TEST(absorbed_memory_stays_valid)
{
	struct arena a = { 0 }, b = { 0 };
	struct str s = arena_dup(&b, STR("kept"));

	arena_dup(&a, STR("own"));
	arena_absorb(&a, &b);
	arena_release(&b);
	assert_string_equal(s.p, "kept");
	for (int i = 0; i < 1000; i++)
		assert_non_null(arena_alloc(&a, 100));
	assert_string_equal(s.p, "kept");
	arena_release(&a);
}

TEST(messages_carry_descriptors)
{
	struct ipc_msg out = { .kind = IPC_MAPS, .maps = { .ring_bytes = 4096 } }, in;
	int pair[2], fds[IPC_FD_COUNT], sent[2] = { 0, 1 };
	size_t n;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(ipc_recv(pair[1], &in, fds, &n), -EAGAIN);
	assert_int_equal(ipc_send(pair[0], &out, sent, 2), 0);
	assert_int_equal(ipc_recv(pair[1], &in, fds, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(in.maps.ring_bytes, 4096);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(send(pair[0], "x", 1, 0), 1);
	assert_int_equal(ipc_recv(pair[1], &in, fds, &n), -EBADMSG);
	close(pair[0]);
	assert_int_equal(ipc_recv(pair[1], &in, fds, &n), -EPIPE);
	close(pair[1]);
}

RUN_TESTS
