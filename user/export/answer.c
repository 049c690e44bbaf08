/* SPDX-License-Identifier: Apache-2.0 */
/* answer.h: a small protobuf reader. */
#include "export/answer.h"

#include "export/retry.h"

struct field {
	uint32_t number;
	uint64_t value;		/* varint; 0 for the others */
	struct str bytes;	/* length-delimited; empty for the others */
};

enum wire { WIRE_VARINT, WIRE_I64, WIRE_LEN, WIRE_I32 = 5 };	/* protobuf encoding: wire types */

static bool take_varint(struct str *in, uint64_t *v)
{
	uint8_t b;

	*v = 0;
	for (unsigned int shift = 0; shift < 64; shift += 7) {
		if (!take_u8(in, &b))
			return false;
		*v |= (uint64_t)(b & 0x7f) << shift;
		if (!(b & 0x80))
			return true;
	}
	return false;
}

static bool take_field(struct str *in, struct field *f)
{
	uint64_t key, n;

	*f = (struct field){ 0 };
	if (!take_varint(in, &key) || key >> 3 == 0 || key >> 3 > (1u << 29) - 1)
		return false;
	f->number = (uint32_t)(key >> 3);
	switch (key & 7) {
	case WIRE_VARINT:
		return take_varint(in, &f->value);
	case WIRE_I64:
		return take_bytes(in, 8, &(struct str){ 0 });
	case WIRE_LEN:
		return take_varint(in, &n) && take_bytes(in, n, &f->bytes);
	case WIRE_I32:
		return take_bytes(in, 4, &(struct str){ 0 });
	default:
		return false;
	}
}

static bool read_partial_success(struct str in, uint64_t *rejected, struct str *message)
{
	struct field f;

	while (in.n) {
		if (!take_field(&in, &f))
			return false;
		if (f.number == 1)
			*rejected = (int64_t)f.value > 0 ? f.value : 0;
		else if (f.number == 2)
			*message = f.bytes;
	}
	return true;
}

bool answer_partial(struct str in, uint64_t *rejected, struct str *message)
{
	struct field f;

	*rejected = 0;
	*message = (struct str){ 0 };
	while (in.n) {
		if (!take_field(&in, &f))
			return false;
		if (f.number == 1 && !read_partial_success(f.bytes, rejected, message))
			return false;
	}
	return true;
}

/* google.protobuf.Duration */
static bool read_duration(struct str in, uint32_t *ms)
{
	struct field f;
	uint64_t seconds = 0, nanos = 0;

	while (in.n) {
		if (!take_field(&in, &f))
			return false;
		if (f.number == 1)
			seconds = (int64_t)f.value > 0 ? f.value : 0;
		else if (f.number == 2)
			nanos = MIN(f.value, NSEC_PER_SEC);
	}
	seconds = MIN(seconds, (uint64_t)RETRY_AFTER_MAX_MS / 1000);
	*ms = (uint32_t)MIN(seconds * 1000 + nanos / NSEC_PER_MSEC, (uint64_t)RETRY_AFTER_MAX_MS);
	return true;
}

/* google.protobuf.Any holding a google.rpc.RetryInfo {retry_delay = 1}. */
static bool read_detail(struct str in, bool *has_delay, uint32_t *delay_ms)
{
	const struct str retry_info = STR("type.googleapis.com/google.rpc.RetryInfo");
	struct str type = { 0 }, value = { 0 };
	struct field f;

	while (in.n) {
		if (!take_field(&in, &f))
			return false;
		if (f.number == 1)
			type = f.bytes;
		else if (f.number == 2)
			value = f.bytes;
	}
	if (!str_eq(type, retry_info))
		return true;
	*has_delay = true;
	while (value.n) {
		if (!take_field(&value, &f))
			return false;
		if (f.number == 1 && !read_duration(f.bytes, delay_ms))
			return false;
	}
	return true;
}

bool answer_status(struct str in, struct str *message, bool *has_delay, uint32_t *delay_ms)
{
	struct field f;

	*message = (struct str){ 0 };
	*has_delay = false;
	*delay_ms = 0;
	while (in.n) {
		if (!take_field(&in, &f))
			return false;
		if (f.number == 2)
			*message = f.bytes;
		else if (f.number == 3 && !read_detail(f.bytes, has_delay, delay_ms))
			return false;
	}
	return true;
}

static int base64_digit(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *q = c ? strchr(digits, c) : NULL;

	return q ? (int)(q - digits) : -1;
}

ssize_t answer_base64(struct str in, uint8_t *out, size_t size)
{
	uint32_t bits = 0;
	unsigned int n_bits = 0;
	size_t n = 0;

	while (in.n && in.p[in.n - 1] == '=')
		in.n--;
	for (size_t i = 0; i < in.n; i++) {
		int digit = base64_digit(in.p[i]);

		if (digit < 0)
			return -EBADMSG;
		bits = bits << 6 | (uint32_t)digit;
		n_bits += 6;
		if (n_bits < 8)
			continue;
		if (n == size)
			return -ENOSPC;
		n_bits -= 8;
		out[n++] = (uint8_t)(bits >> n_bits);
	}
	return (ssize_t)n;
}
