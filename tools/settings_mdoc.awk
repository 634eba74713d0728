# SPDX-License-Identifier: BSD-3-Clause
# settings_mdoc.awk - the settings of libkbaccel(7): what `kbaccel config` lists, as mdoc(7); the first file is that list, the second
# the page, whose line @SETTINGS@ they replace.

function mdoc(text) {
	sub(/^ +/, "", text)
	gsub(/\\/, "\\e", text)
	return text
}
FNR == NR {
	if (match($0, /^KBACCEL_[A-Z_]+=/))
		settings = settings ".It Ev " substr($0, 1, RLENGTH - 1) "\n"
	else if ($1 == "allowed:") {
		text = mdoc($0)
		sub(/^allowed: /, "", text)
		n = split(text, part, "; default: ")
		settings = settings "Allowed: " part[1] (n > 1 ? "; default: " part[2] : "") ".\n"
	} else
		settings = settings mdoc($0) "\n"
	next
}
$0 == "@SETTINGS@" { printf "%s", settings; next }
{ print }
