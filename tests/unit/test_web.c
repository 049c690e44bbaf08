/* SPDX-License-Identifier: Apache-2.0 */
/* web/: a real server on a port of its own, real sockets; and the address and header rules by themselves. */
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/gzip.h"
#include "web/listen.h"
#include "web/negotiate.h"
#include "web/web.h"

static const char *not_ready_because;

static int write_metrics(void *ctx, bool openmetrics, struct buf *out)
{
	if (ctx)
		return -EIO;
	for (int i = 0; i < 1000; i++)
		buf_printf(out, "m{i=\"%d\"} 1\n", i);
	if (openmetrics)
		buf_str(out, STR("# EOF\n"));
	return 0;
}

static bool is_live(void *ctx __attribute__((unused)))
{
	return true;
}

static bool is_ready(void *ctx __attribute__((unused)), const char **why)
{
	if (not_ready_because)
		*why = not_ready_because;
	return !not_ready_because;
}

static struct web *server(const char *listen, void *ctx)
{
	struct web_sink sink = { ctx, write_metrics, is_live, is_ready };
	struct web *w = NULL;

	assert_int_equal(web_new(&w, listen, &sink), 0);
	assert_true(web_port(w) > 0);
	return w;
}

/* Sends the bytes, reads to the end of the connection. */
static char *ask(uint16_t port, const char *request, size_t *n)
{
	static char answer[1 << 16];
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	ssize_t k;

	*n = 0;
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
	while ((k = recv(fd, answer + *n, sizeof(answer) - 1 - *n, 0)) > 0)
		*n += (size_t)k;
	close(fd);
	answer[*n] = '\0';
	return answer;
}

/* One exchange with a server of its own. */
static const char *exchange(const char *method, const char *path, const char *headers, void *ctx)
{
	struct web *w = server("127.0.0.1:0", ctx);
	char request[512];
	size_t n;
	char *answer;

	snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\n%sConnection: close\r\n\r\n", method, path, headers);
	answer = ask(web_port(w), request, &n);
	web_free(w);
	return answer;
}

#define LOCAL "Host: 127.0.0.1\r\n"

static void contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%.300s\" has no \"%s\"", text, part);
}

TEST(pages_answer_in_text)
{
	contains(exchange("GET", "/", LOCAL, NULL), "/readyz");
	contains(exchange("GET", "/livez", LOCAL, NULL), "\r\n\r\nok\n");
	contains(exchange("GET", "/nowhere", LOCAL, NULL), "HTTP/1.1 404");
	contains(exchange("DELETE", "/metrics", LOCAL, NULL), "HTTP/1.1 405");
	contains(exchange("DELETE", "/metrics", LOCAL, NULL), "Allow: GET, HEAD");
	contains(exchange("POST", "/metrics", LOCAL "Content-Length: 0\r\n", NULL), "HTTP/1.1 405");
}

TEST(readiness_says_why_not)
{
	not_ready_because = "no capture tier is attached";
	contains(exchange("GET", "/readyz", LOCAL, NULL), "HTTP/1.1 503");
	contains(exchange("GET", "/readyz", LOCAL, NULL), "\r\n\r\nno capture tier is attached\n");
	not_ready_because = NULL;
	contains(exchange("GET", "/readyz", LOCAL, NULL), "HTTP/1.1 200");
}

TEST(metrics_come_in_the_format_asked_for)
{
	const char *answer = exchange("GET", "/metrics", LOCAL, NULL);

	contains(answer, "Content-Type: text/plain; version=0.0.4; charset=utf-8");
	assert_null(strstr(answer, "# EOF"));
	answer = exchange("GET", "/metrics", LOCAL "Accept: application/openmetrics-text;version=1.0.0\r\n", NULL);
	contains(answer, "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8");
	contains(answer, "# EOF\n");
}

TEST(metrics_that_fail_are_an_error)
{
	contains(exchange("GET", "/metrics", LOCAL, "x"), "HTTP/1.1 500");
}

TEST(metrics_are_packed_when_asked)
{
	struct web *w = server("127.0.0.1:0", NULL);
	_cleanup_(buf_release) struct buf plain = { 0 };
	size_t n;
	char *answer = ask(web_port(w), "GET /metrics HTTP/1.1\r\n" LOCAL
			   "Accept-Encoding: gzip\r\nConnection: close\r\n\r\n", &n);
	char *body = strstr(answer, "\r\n\r\n") + 4;

	contains(answer, "Content-Encoding: gzip");
	assert_int_equal(gzip_expand(&plain, (struct str){ body, n - (size_t)(body - answer) }, 1 << 20), 0);
	assert_memory_equal(plain.p, "m{i=\"0\"} 1\n", 11);
	web_free(w);
}

TEST(head_has_no_body)
{
	const char *answer = exchange("HEAD", "/metrics", LOCAL, NULL);

	contains(answer, "HTTP/1.1 200");
	assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
}

TEST(foreign_host_names_are_refused_on_loopback)
{
	contains(exchange("GET", "/metrics", "Host: evil.example\r\n", NULL), "HTTP/1.1 403");
	contains(exchange("GET", "/livez", "Host: localhost:9464\r\n", NULL), "HTTP/1.1 200");
}

TEST(garbage_and_endless_headers_harm_nobody)
{
	struct web *w = server("127.0.0.1:0", NULL);
	char *line = malloc(65536 + 64);
	size_t n;

	ask(web_port(w), "\x16\x03\x01\x02\r\n\r\n", &n);
	n = (size_t)sprintf(line, "GET / HTTP/1.1\r\nX: ");
	memset(line + n, 'x', 65536);
	strcpy(line + n + 65536, "\r\n\r\n");
	ask(web_port(w), line, &n);
	free(line);
	contains(ask(web_port(w), "GET /livez HTTP/1.0\r\n\r\n", &n), "200 OK");
	web_free(w);
}

TEST(a_taken_port_is_told)
{
	struct web *w = server("127.0.0.1:0", NULL), *second = NULL;
	struct web_sink sink = { NULL, write_metrics, is_live, is_ready };
	char listen[32];

	snprintf(listen, sizeof(listen), "127.0.0.1:%u", web_port(w));
	assert_int_equal(web_new(&second, listen, &sink), -EADDRINUSE);
	assert_null(second);
	web_free(w);
}

TEST(addresses_parse_or_are_refused)
{
	static const char *const bad[] = {
		"", ":", "9464", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:x", "::1:9464", "[::1]",
		"[::1:9464", "[::1]9464", "[127.0.0.1]:1", "example.com:80", "127.0.0.1:80:80", "[]:1",
	};
	struct listen_address la;

	assert_int_equal(listen_parse(STR("127.0.0.1:9464"), &la), 0);
	assert_true(la.loopback);
	assert_int_equal(listen_parse(STR("localhost:0"), &la), 0);
	assert_true(la.loopback);
	assert_int_equal(listen_parse(STR("0.0.0.0:9464"), &la), 0);
	assert_false(la.loopback);
	assert_int_equal(listen_parse(STR("[::1]:9464"), &la), 0);
	assert_true(la.loopback);
	assert_int_equal(listen_parse(STR("[::]:9464"), &la), 0);
	assert_false(la.loopback);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (listen_parse(guarded(bad[i], strlen(bad[i])), &la) != -EINVAL)
			fail_msg("\"%s\" was accepted", bad[i]);
}

TEST(hosts_are_literals_localhost_or_ours)
{
	assert_true(host_is_local(STR("10.0.0.1:9464"), STR("web1")));
	assert_true(host_is_local(STR("[::1]:9464"), STR("web1")));
	assert_true(host_is_local(STR("LocalHost"), STR("web1")));
	assert_true(host_is_local(STR("web1:9464"), STR("web1")));
	assert_true(host_is_local(STR(""), STR("")));
	assert_false(host_is_local(STR("web1.evil.example"), STR("web1")));
	assert_false(host_is_local(STR("127.0.0.1.evil.example"), STR("web1")));
	assert_false(host_is_local(STR("[evil]"), STR("web1")));
	assert_false(host_is_local(STR(":80"), STR("")));
}

TEST(accept_lists_are_weighed)
{
	assert_true(accepts_openmetrics(STR("application/openmetrics-text;version=1.0.0;q=0.5,"
					    "text/plain;version=0.0.4;q=0.3,*/*;q=0.1")));
	assert_false(accepts_openmetrics(STR("application/openmetrics-text;q=0.2, text/plain;q=0.9")));
	assert_false(accepts_openmetrics(STR("application/openmetrics-text;q=0")));
	assert_false(accepts_openmetrics(STR("*/*")));
	assert_false(accepts_openmetrics(STR("")));
	assert_true(accepts_gzip(STR("deflate, GZIP;q=1.0")));
	assert_false(accepts_gzip(STR("gzip;q=0, br")));
	assert_false(accepts_gzip(STR("")));
}

RUN_TESTS
