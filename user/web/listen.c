/* SPDX-License-Identifier: Apache-2.0 */
/* listen.h: host and port, by the brackets of RFC 3986, 3.2.2. */
#include "web/listen.h"

#include <arpa/inet.h>
#include <netinet/in.h>

/* Cuts "HOST[:PORT]" in two; brackets are taken off. False: unbalanced, or something else behind them. */
static bool split_port(struct str in, struct str *host, struct str *port, bool *bracketed)
{
	*port = (struct str){ 0 };
	*bracketed = in.n && in.p[0] == '[';
	if (!*bracketed) {
		if (!str_cut(&in, ':', host))
			*host = in;
		else
			*port = in;
		return host->n > 0;
	}
	str_skip(&in, 1);
	if (!str_cut(&in, ']', host))
		return false;
	if (!in.n)
		return true;
	*port = (struct str){ in.p + 1, in.n - 1 };
	return in.p[0] == ':';
}

/* inet_pton wants a NUL. */
static bool parse_ip(int family, struct str text, void *out)
{
	char z[INET6_ADDRSTRLEN];

	if (text.n >= sizeof(z))
		return false;
	memcpy(z, text.p, text.n);
	z[text.n] = '\0';
	return inet_pton(family, z, out) == 1;
}

static bool is_loopback(const struct in6_addr *a)
{
	return IN6_IS_ADDR_LOOPBACK(a) || (IN6_IS_ADDR_V4MAPPED(a) && a->s6_addr[12] == 127);
}

int listen_parse(struct str text, struct listen_address *out)
{
	struct listen_address la = { 0 };
	struct sockaddr_in *v4 = (struct sockaddr_in *)&la.addr;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&la.addr;
	struct str host, port_text;
	bool bracketed;
	uint64_t port;

	if (!split_port(text, &host, &port_text, &bracketed) || !str_to_u64(port_text, &port) || port > UINT16_MAX)
		return -EINVAL;
	if (!bracketed && str_eq_nocase(host, STR("localhost")))
		host = STR("127.0.0.1");
	if (!bracketed && parse_ip(AF_INET, host, &v4->sin_addr)) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		la.n = sizeof(*v4);
		la.loopback = ntohl(v4->sin_addr.s_addr) >> 24 == 127;
	} else if (bracketed && parse_ip(AF_INET6, host, &v6->sin6_addr)) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		la.n = sizeof(*v6);
		la.loopback = is_loopback(&v6->sin6_addr);
	} else {
		return -EINVAL;
	}
	*out = la;
	return 0;
}

bool host_is_local(struct str host, struct str own_name)
{
	struct str name, port;
	struct in6_addr ip;
	bool bracketed;

	if (!host.n)
		return true;
	if (!split_port(host, &name, &port, &bracketed))
		return false;
	if (bracketed)
		return parse_ip(AF_INET6, name, &ip);
	return parse_ip(AF_INET, name, &ip) || str_eq_nocase(name, STR("localhost")) ||
	       (own_name.n && str_eq_nocase(name, own_name));
}
