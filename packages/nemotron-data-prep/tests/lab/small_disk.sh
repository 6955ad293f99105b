#!/bin/sh
# Prepare onto a disk of $1 KiB that is too small, then enlarge it and prepare again.
# Usage: small_disk.sh SIZE_KIB PYTHON SCRIPT BLEND FOLDER, in a mount namespace of its own.
set -u
mount -t tmpfs -o "size=${1}k" none "$5" || exit 9
"$2" "$3" "$4" "$5/out"
echo "first $?"
find "$5" -name '*.staged'
echo "used $(du -sk "$5" | cut -f1)"
mount -o remount,size=64m "$5" || exit 9
"$2" "$3" "$4" "$5/out"
echo "second $?"
ls -A "$5/out"
