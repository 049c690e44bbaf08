/* SPDX-License-Identifier: Apache-2.0 */
/* str.h's larger functions. */
#include "base/str.h"

static bool is_letter(char c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

bool str_eq_nocase(struct str a, struct str b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (a.p[i] != b.p[i] && ((a.p[i] ^ b.p[i]) != 0x20 || !is_letter(a.p[i])))
			return false;
	return true;
}

bool str_to_u64(struct str s, uint64_t *v)
{
	bool may_overflow = s.n >= 20;	/* digits of UINT64_MAX: shorter ones need no division */
	uint64_t sum = 0;

	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned digit = (unsigned char)s.p[i] - '0';

		if (digit > 9 || (may_overflow && sum > (UINT64_MAX - digit) / 10))
			return false;
		sum = sum * 10 + digit;
	}
	*v = sum;
	return true;
}
