// SPDX-License-Identifier: Apache-2.0
// The price service, in Node: /price/ITEM, and the same simple routes as shop.py: /, /users/N, /status/N, /echo,
// /chunked, /big?n=, /slow?ms=. Listens on PORT (IPv4 and IPv6) and on the unix socket SOCKET, if set.
// REQUEST_LOG: one JSON line per request, as truth.py writes them.
import fs from 'node:fs';
import http from 'node:http';

const log = process.env.REQUEST_LOG ? fs.openSync(process.env.REQUEST_LOG, 'a') : null;

function price(item) {
	let sum = 0;
	for (const c of item)
		sum += c.charCodeAt(0);
	return 5 + sum % 50;
}

function answer(url, received, respond) {
	const [, first, rest] = url.pathname.split('/');
	const text = (status, body) => respond(status, {'content-length': Buffer.byteLength(body)}, [body]);
	const routes = {
		'': () => text(200, 'hello\n'),
		users: () => text(200, 'hello\n'),
		price: () => text(200, JSON.stringify({item: rest, price: price(rest)})),
		status: () => rest === '204' ? respond(204, {}, []) : text(Number(rest), rest + '\n'),
		echo: () => text(200, JSON.stringify({length: received})),
		chunked: () => respond(200, {}, Array.from({length: 10}, (_, i) => `part ${i}\n`.repeat(100))),
		big: () => text(200, '\0'.repeat(Number(url.searchParams.get('n')))),
		slow: () => setTimeout(() => text(200, 'late\n'), Number(url.searchParams.get('ms'))),
	};
	(routes[first] ?? (() => text(404, 'no such page\n')))();
}

function serve(request, response) {
	const since = process.hrtime.bigint(), url = new URL(request.url, 'http://localhost');
	const elapsed = () => Number(process.hrtime.bigint() - since) / 1e9;
	let received = 0, sent = 0, handed = 0;

	response.on('finish', () => {
		const line = {method: request.method, path: url.pathname, status: response.statusCode, in: received, out: sent,
			handed, seconds: elapsed()};
		if (log !== null)
			fs.writeSync(log, JSON.stringify(line) + '\n');
	});
	request.on('data', chunk => { received += chunk.length; });
	request.on('end', () => answer(url, received, (status, headers, parts) => {
		handed = elapsed();
		response.writeHead(status, {'content-type': 'text/plain', ...headers});
		if (request.method !== 'HEAD')
			for (const part of parts) {
				sent += Buffer.byteLength(part);
				response.write(part);
			}
		response.end();
	}));
}

const listeners = [{port: Number(process.env.PORT), host: '::'}];
if (process.env.SOCKET)
	listeners.push({path: process.env.SOCKET});
for (const where of listeners) {
	const server = http.createServer({keepAliveTimeout: 60000}, serve);
	server.listen(where);
}
