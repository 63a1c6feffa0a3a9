# Every row of the route table is asked for by some test. Called by tools/tidy with the route table
# first, then the tests; says so for each row that none asks for.
#
# A test asks for a route when one of its lines has the method and a path that fits it; in a .vtc
# when a txreq has -url (its method is GET unless -method says otherwise); a client whose library
# builds the path says "// exercises: GET /v1/models".

function asked(method, path) {
    sub(/\?.*$/, "", path)
    if (path != "/")
        sub(/\/$/, "", path)
    seen[method " " path] = 1
}

# Does a path fit a route's pattern, segment by segment? {id} is any; a last * is the rest.
function fits(path, pattern,    a, b, n, m, i) {
    n = split(pattern, a, "/")
    m = split(path, b, "/")
    for (i = 1; i <= n; i++) {
        if (a[i] ~ /^\{.*\*\}$|^\*$/)
            return m >= i
        if (i > m)
            return 0
        if (a[i] ~ /^\{[^}]*\}$/ || a[i] ~ /^:/) {
            if (b[i] == "")
                return 0
        } else if (b[i] != a[i])
            return 0
    }
    return n == m
}

function line_of_test(s,    method, rest, methods, n, i, path, got) {
    got = ""
    if (s ~ /txreq/) {
        method = "GET"
        if (match(s, /-(method|req)[ \t]+"?[A-Z]+/)) {
            method = substr(s, RSTART, RLENGTH)
            sub(/^.*[ \t"]/, "", method)
        }
        if (match(s, /-url[ \t]+"?[^" \t]+/)) {
            path = substr(s, RSTART, RLENGTH)
            sub(/^-url[ \t]+"?/, "", path)
            asked(method, path)
        }
        return
    }
    n = 0
    rest = " " s " "
    while (match(rest, /[^A-Za-z0-9_](GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)[^A-Za-z0-9_]/)) {
        methods[++n] = substr(rest, RSTART + 1, RLENGTH - 2)
        rest = substr(rest, RSTART + RLENGTH - 1)
    }
    if (n == 0 && s ~ /(^|[^a-z])curl /)
        methods[++n] = s ~ / (-d|--data|--data-binary|--data-raw|--json)[ =@]/ ? "POST" : "GET"
    if (n == 0)
        return
    gsub(/[a-z]+:\/\/[^\/ \t"'`]*/, " ", s)
    while (match(s, /\/[^ \t"'`?<>,;)\\|]*/)) {
        path = substr(s, RSTART, RLENGTH)
        s = substr(s, RSTART + RLENGTH)
        for (i = 1; i <= n; i++)
            asked(methods[i], path)
    }
}

FNR == 1 { held = "" }

FILENAME == routes {
    row = row " " $0
    if (row !~ /ROUTE[A-Z_]*[ \t]*\(/ || row ~ /#[ \t]*define[^\\]*$/) {
        row = ""
        next
    }
    if (match(row, /"[A-Z]+"[ \t\\]*,[ \t\\]*"\/[^"]*"/)) {
        text = substr(row, RSTART, RLENGTH)
        split(text, part, "\"")
        count++
        row_method[count] = part[2]
        row_path[count] = part[4]
        row_line[count] = FNR
        row = ""
    }
    next
}

/\\$/ { held = held substr($0, 1, length($0) - 1) " "; next }
{ line_of_test(held $0); held = "" }

END {
    if (count == 0)
        printf "%s:1: no row is understood: write ROUTE(NAME, \"GET\", \"/path\", ...)\n", routes
    for (i = 1; i <= count; i++) {
        found = 0
        for (s in seen) {
            split(s, part, " ")
            if (part[1] == row_method[i] && fits(part[2], row_path[i])) {
                found = 1
                break
            }
        }
        if (!found)
            printf "%s:%d: no test asks for %s %s: write one in tests/, or name it there by \"exercises: %s %s\"\n", \
                routes, row_line[i], row_method[i], row_path[i], row_method[i], row_path[i]
    }
}
