# SPDX-License-Identifier: Apache-2.0
# Packages of any Debian suite and architecture, without touching the machine's own apt. Sourced.
# In: CACHE (a folder). Out: unpacked trees. The mirror is the one that this machine's apt uses, read
# at run time, or DEB_MIRROR.

deb_mirror() {
	[ -z "${DEB_MIRROR:-}" ] || { echo "$DEB_MIRROR"; return; }
	{
		sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/*.sources
		sed -nE 's/^deb +(\[[^]]*\] +)?([^ ]+).*/\2/p' /etc/apt/sources.list /etc/apt/sources.list.d/*.list
	} 2>/dev/null | tr ' ' '\n' | grep -m1 -E '/debian/?$'
}

# deb_apt SUITE ARCH COMMAND ARGS...: apt-get or apt-cache on that suite alone.
deb_apt() {
	local d=$CACHE/apt/$1-$2 suite=$1 arch=$2 command=$3
	shift 3
	mkdir -p "$d/lists/partial" "$d/archives/partial"
	touch "$d/status"
	echo "deb [arch=$arch signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(deb_mirror) $suite main" >"$d/sources.list"
	"$command" -o Dir::Etc::sourcelist="$d/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State::Lists="$d/lists" \
		-o Dir::State::status="$d/status" -o Dir::Cache="$d" -o APT::Architecture="$arch" \
		-o APT::Architectures::="$arch" -o Acquire::Languages=none -o APT::Sandbox::User=root "$@"
}

# deb_update SUITE ARCH: the suite's index, fetched once a day.
deb_update() {
	local stamp=$CACHE/apt/$1-$2/updated
	[ -z "$(find "$stamp" -mtime -1 2>/dev/null)" ] || return 0
	deb_apt "$1" "$2" apt-get -q update >"$CACHE/apt.log" 2>&1 && touch "$stamp"
}

# deb_unpack SUITE ARCH DIR PACKAGE...: downloads and unpacks into DIR.
deb_unpack() {
	local suite=$1 arch=$2 dir=$3 tmp f rc=0
	shift 3
	mkdir -p "$dir"
	tmp=$(mktemp -d "$CACHE/deb.XXXXXX")
	(cd "$tmp" && deb_apt "$suite" "$arch" apt-get -q download "$@") >"$CACHE/apt.log" 2>&1 || rc=1
	for f in "$tmp"/*.deb; do
		# An index may name a file that the mirror no longer has: apt then leaves an empty one.
		[ $rc = 0 ] && [ -s "$f" ] && dpkg-deb -x "$f" "$dir" || rc=1
	done
	rm -rf "$tmp"
	return $rc
}

# deb_kernel SUITE ARCH DIR REGEX: DIR/vmlinuz of the newest kernel whose package name after "linux-image-" matches
# and that downloads.
deb_kernel() {
	local suite=$1 arch=$2 dir=$3 regex=$4 version package image
	[ ! -s "$dir/vmlinuz" ] || return 0
	deb_update "$suite" "$arch" || return 1
	# From 6.19 on linux-image-* depends on linux-binary-*, which holds the file.
	for version in $(deb_apt "$suite" "$arch" apt-cache pkgnames linux-image- | sed 's/^linux-image-//' |
			 grep -xE "$regex" | sort -rV | head -6); do
		for package in "linux-binary-$version" "linux-image-$version"; do
			rm -rf "$dir"
			deb_unpack "$suite" "$arch" "$dir" "$package" || continue
			image=$(find "$dir" -name 'vmlinuz*' -type f | head -1)
			[ -z "$image" ] || { mv "$image" "$dir/vmlinuz"; return 0; }
		done
	done
	return 1
}
