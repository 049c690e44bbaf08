/* SPDX-License-Identifier: Apache-2.0 */
/* sniff.h: asks every row, keeps the best. */
#include "stream/sniff.h"

#define PORT_BONUS 5

static bool has_port(const struct proto *p, uint16_t port)
{
	for (size_t i = 0; i < ARRAY_SIZE(p->ports) && p->ports[i]; i++)
		if (p->ports[i] == port)
			return true;
	return false;
}

struct sniffed sniff(const struct proto *const *protos, struct str head, enum dir dir, bool both, uint16_t port,
		     bool last)
{
	struct sniffed best = { .dir = dir };
	int best_score = 0;

	for (size_t i = 0; protos[i]; i++)
		for (int flip = 0; flip <= both; flip++) {
			enum dir as = flip ? DIR_COUNT - 1 - dir : dir;
			int score = protos[i]->sniff(head, as);

			best.more |= score == -EAGAIN;
			if (score > 0 && has_port(protos[i], port))
				score += PORT_BONUS;
			if (score > best_score) {
				best_score = score;
				best.proto = protos[i];
				best.dir = as;
			}
		}
	/* A fair guess waits for the end of the turn, when it counts. */
	best.more = !last && best_score < SNIFF_SURE && (best.more || best_score >= SNIFF_ENOUGH);
	if (best.more || best_score < (last ? SNIFF_ENOUGH : SNIFF_SURE))
		best.proto = NULL;
	return best;
}
