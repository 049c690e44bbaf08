/* SPDX-License-Identifier: Apache-2.0 */
/* negotiate.h: list members with q values. */
#include "web/negotiate.h"

/* "0.75" as 750; 1000 for what cannot be read (RFC 9110, 12.4.2). */
static int quality(struct str text)
{
	int q = 0, scale = 1000;

	if (!text.n || (text.p[0] != '0' && text.p[0] != '1') || (text.n > 1 && text.p[1] != '.'))
		return 1000;
	q = (text.p[0] - '0') * 1000;
	for (size_t i = 2; i < text.n && i < 5 && text.p[i] >= '0' && text.p[i] <= '9'; i++) {
		scale /= 10;
		q += (text.p[i] - '0') * scale;
	}
	return MIN(q, 1000);
}

static int member_quality(struct str parameters)
{
	struct str one;
	bool more;

	do {
		more = str_cut(&parameters, ';', &one);
		one = str_trim(more ? one : parameters);
		if (one.n > 2 && (one.p[0] == 'q' || one.p[0] == 'Q') && one.p[1] == '=')
			return quality((struct str){ one.p + 2, one.n - 2 });
	} while (more);
	return 1000;
}

/* The quality of that name in a list, -1 when it is not there. */
static int list_quality(struct str list, struct str name)
{
	struct str member, token;
	bool more;

	do {
		more = str_cut(&list, ',', &member);
		if (!more)
			member = list;
		if (!str_cut(&member, ';', &token)) {
			token = member;
			member = (struct str){ 0 };
		}
		if (str_eq_nocase(str_trim(token), name))
			return member_quality(member);
	} while (more);
	return -1;
}

bool accepts_openmetrics(struct str accept)
{
	int q = list_quality(accept, STR("application/openmetrics-text"));

	return q > 0 && q >= list_quality(accept, STR("text/plain"));
}

bool accepts_gzip(struct str accept_encoding)
{
	return list_quality(accept_encoding, STR("gzip")) > 0;
}
