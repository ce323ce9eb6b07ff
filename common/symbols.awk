# symbols.awk: from `nm -n kernel` to the table that symbols.c searches, as nasm source.
# With no input it makes an empty table, for the first of the two links.
$2 ~ /^[Tt]$/ && $3 != "text_start" && $3 != "text_end" && $1 ~ /^ffffffff/ {
    address[n] = $1
    name[n++] = $3
}
END {
    print "section .symbols progbits alloc noexec nowrite align=4"
    print "global symbol_table, symbol_count, symbol_names"
    print "symbol_count: dd " n + 0
    print "symbol_table:"
    for (i = 0; i < n; i++) {
        printf "dd 0x%s, %d\n", substr(address[i], 9), offset
        offset += length(name[i]) + 1
    }
    print "symbol_names:"
    for (i = 0; i < n; i++)
        printf "db \"%s\", 0\n", name[i]
    print "db 0"
}
