/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a configuration file: read, apply, no crash, no leak. */
#include "config/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct settings *s;
	struct config c = { 0 };
	char expected[160];

	if (settings_new(&s))
		return 0;
	settings_yaml_text(s, "fuzz", (struct str){ (const char *)data, n });
	for (size_t i = 0; i < options_n; i++)
		for (size_t k = 0; k < s->at[i].texts.n; k++)
			if (options[i].type != OPTION_LIST && options[i].type != OPTION_STRING && options[i].type != OPTION_WORD)
				option_apply(&options[i], &c, s->at[i].texts.v[k], expected, sizeof(expected));
	settings_free(s);
	return 0;
}
