# The rules that can be seen in C text. Called by tools/tidy with all C files; says
# "file:line: what, and what to do" for each offence.
#
# Plain POSIX awk (mawk is what Debian has). Comments and the insides of strings are blanked out
# first, so that only code is judged; one pass, no character loop.

function say(line, what) {
    printf "%s:%d: %s\n", file, line, what
}

# The line without comments and with empty strings; in_comment lives on between lines.
function bare(s,    out, c, i) {
    out = ""
    while (s != "") {
        if (in_comment) {
            i = index(s, "*/")
            if (i == 0)
                return out
            s = substr(s, i + 2)
            in_comment = 0
            out = out " "
            continue
        }
        if (!match(s, /["']|\/\*|\/\//))
            return out s
        out = out substr(s, 1, RSTART - 1)
        c = substr(s, RSTART, 1)
        s = substr(s, RSTART + RLENGTH)
        if (c == "/") {
            if (substr(whole, length(whole) - length(s), 1) == "/")
                return out
            in_comment = 1
        } else if (c == "\"") {
            match(s, /^([^"\\]|\\.)*"?/)
            s = substr(s, RLENGTH + 1)
            out = out "\"\""
        } else {
            match(s, /^([^'\\]|\\.)*'?/)
            s = substr(s, RLENGTH + 1)
            out = out "' '"
        }
    }
    return out
}

function ban(names, instead,    n, a, i) {
    n = split(names, a, " ")
    for (i = 1; i <= n; i++)
        banned[a[i]] = instead
}

function room_of(path,    a, n) {
    n = split(path, a, "/")
    if (a[1] == "sandbox")
        return "sandbox"
    if (a[1] != "src")
        return ""
    return n == 2 ? "main" : a[2]
}

function load_house(    l, r, n, a, i) {
    while ((getline l < "docs/house.txt") > 0) {
        sub(/#.*/, "", l)
        if (l !~ /:/)
            continue
        r = l
        sub(/:.*/, "", r)
        gsub(/[ \t]/, "", r)
        sub(/^[^:]*:/, "", l)
        n = split(l, a, " ")
        known[r] = 1
        may[r, r] = 1
        for (i = 1; i <= n; i++)
            may[r, a[i]] = 1
    }
    close("docs/house.txt")
}

function load_ratchet(    l, a, n) {
    while ((getline l < ratchet_file) > 0) {
        n++
        sub(/#.*/, "", l)
        if (split(l, a, " ") < 2)
            continue
        ratchet[a[1]] = a[2]
        ratchet_line[a[1]] = n
    }
    close(ratchet_file)
}

# Is this thing of n lines too long? The wall, or what the ratchet list lets it be.
function wall(key, line, n, limit, what, advice) {
    if (n <= limit)
        return
    ratchet_used[key] = 1
    if (!(key in ratchet))
        say(line, what " has " n " lines, " limit " is the wall: " advice)
    else if (n > ratchet[key])
        say(line, what " has " n " lines and was let be " ratchet[key] " (" ratchet_file "): " advice)
}

BEGIN {
    load_house()
    load_ratchet()
    ban("strcpy stpcpy strncpy strcat strncat", "carry a struct str, or build with a buf (base/str.h, base/buf.h)")
    ban("sprintf vsprintf", "use snprintf and check it, or a buf (base/buf.h)")
    ban("gets scanf sscanf fscanf", "cut the text with str_cut and parse its parts (base/str.h)")
    ban("strtol strtoul strtoll strtoull strtoimax strtoumax atoi atol atoll", "parse with str_to_u64 (base/str.h), which refuses what does not fit")
    ban("strtod strtof strtold atof", "decimals are parsed digit by digit (base/units.h)")
    ban("strtok strtok_r strsep", "use str_cut (base/str.h)")
    ban("rand srand rand_r random srandom drand48", "use base/crypto.h; a test or simulator carries its own seed")
    ban("gmtime localtime localtime_r mktime ctime asctime ctime_r asctime_r", "use base/clock.h, which is UTC and without hidden state")
    ban("alloca __builtin_alloca", "use an arena, or an array with a fixed bound")
    split("malloc calloc realloc reallocarray free strdup strndup asprintf vasprintf aligned_alloc posix_memalign", heap_names, " ")
    for (i in heap_names)
        heap[heap_names[i]] = 1
    heap_advice = "only src/base/mem.c does that: use mem_* (base/mem.h) or an arena"
}

function start_file() {
    if (file != "")
        end_file()
    file = FILENAME
    sub(/^\.\//, "", file)
    files++
    room = room_of(file)
    is_header = file ~ /\.h$/
    ours = room != ""
    in_comment = 0
    depth = 0
    decl = ""
    decl_line = 0
    pp_goes_on = 0
    includes = 0
    code = 0
    seen_include = 0
    own = ""
    if (ours && file ~ /\.c$/) {
        own = file
        sub(/^src\//, "", own)
        sub(/\.c$/, ".h", own)
        own_path = file
        sub(/\.c$/, ".h", own_path)
        if ((getline probe < own_path) < 0)
            own = ""
        else
            close(own_path)
    }
    if (ours && !(room in known) && !((room, "said") in known)) {
        known[room, "said"] = 1
        say(1, "docs/house.txt does not know the room " room ": add its line there")
    }
}

function end_file() {
    if (is_header)
        wall(file, 1, lines, 200, "the header", "split it by what its readers need")
    else
        wall(file, 1, lines, 1200, "the file", "split it by its story")
    if (is_header && ours && includes >= 2 && code == 0)
        say(1, "a header that only includes others: include what each file needs")
    if (own != "" && !seen_include)
        say(1, "its own header is not included: begin with #include \"" own "\"")
}

FNR == 1 { start_file() }

{
    lines = FNR
    whole = $0
    if (length(whole) > 100) {
        wide = whole
        gsub(/[\200-\277]/, "", wide)
        if (length(wide) > 100)
            say(FNR, "the line has " length(wide) " columns, 100 is the wall: break it")
    }
    if (!in_comment && index(whole, "/") == 0 && index(whole, "\"") == 0 && index(whole, "'") == 0)
        text = whole
    else
        text = bare(whole)
}

# Preprocessor: includes are judged; other directives are not part of any function.
pp_goes_on || text ~ /^[ \t]*#/ {
    if (!pp_goes_on && text ~ /^[ \t]*#[ \t]*include/)
        include_line()
    else if (!pp_goes_on && text ~ /^[ \t]*#[ \t]*define/ && text ~ /define[ \t]+[A-Za-z0-9_]+[ \t(]+[^ \t]/)
        code++
    pp_goes_on = whole ~ /\\$/
    judge()
    next
}

text ~ /[^ \t]/ {
    code++
    judge()
    braces()
}

function include_line(    inc, to, a) {
    includes++
    if (!match(whole, /"[^"]*"/)) {
        if (own != "" && !seen_include && whole ~ /</) {
            seen_include = 1
            say(FNR, "its own header comes first: begin with #include \"" own "\"")
        }
        return
    }
    inc = substr(whole, RSTART + 1, RLENGTH - 2)
    if (own != "" && !seen_include && inc != own)
        say(FNR, "its own header comes first: begin with #include \"" own "\"")
    seen_include = 1
    if (!ours || whole ~ /\/\* tidy: [^ *]/)
        return
    if (inc ~ /\.c$/)
        say(FNR, "includes a .c file: declare what is needed in a header")
    if (inc == "version.h")
        return
    if (inc == "sql.h") {
        if (!((room, "store") in may))
            say(FNR, "the room " room " may not know the store's statements (docs/house.txt)")
        return
    }
    if (inc !~ /\// || inc ~ /^\.\.?\//) {
        say(FNR, "include paths are rooted at src/: write \"" room "/" inc "\" or the room where it lives")
        return
    }
    split(inc, a, "/")
    to = a[1]
    if (!((room, to) in may))
        say(FNR, "the room " room " may not include " to " (docs/house.txt): move the code down a floor, or hand it in as a callback from app")
}

# Words that are banned as calls or as types, one look per line.
function judge(    t, name, before) {
    if (whole ~ /\/\* tidy: [^ *]/)
        return
    t = text
    while (match(t, /[A-Za-z_][A-Za-z0-9_]*/)) {
        name = substr(t, RSTART, RLENGTH)
        before = RSTART > 1 ? substr(t, RSTART - 1, 1) : ""
        if (RSTART > 2 && substr(t, RSTART - 2, 2) == "->")
            before = "."
        t = substr(t, RSTART + RLENGTH)
        if (before == "." || before ~ /[0-9]/)
            continue
        if (name in banned) {
            if (t ~ /^[ \t]*\(/)
                say(FNR, name " is banned: " banned[name])
        } else if (name in heap) {
            if (ours && file != "src/base/mem.c" && t ~ /^[ \t]*[();,]/ && text !~ ("[*][ \t]*" name "[ \t]*[)]"))
                say(FNR, name ": " heap_advice)
        } else if (name == "__attribute__") {
            if (ours && file != "src/base/attr.h")
                say(FNR, "GNU attributes are spelt in base/attr.h only: use its names, or add one there")
        } else if (name == "__int128" || name == "__int128_t" || name == "__uint128_t") {
            if (ours && file !~ /^src\/base\/units(_test)?\.[ch]$/)
                say(FNR, "128-bit numbers are for base/units.* only: use its functions")
        } else if (name == "float" || name == "double") {
            if (room == "ledger" || room == "catalog" || room == "gateway")
                say(FNR, name " where money is: count in units (base/units.h)")
        }
    }
    if (text ~ /\([ \t]*\{/)
        say(FNR, "a statement expression: write an inline function")
}

# Follows braces to find where functions begin and end.
function braces(    t, c, before) {
    if (depth == 0 && decl == "")
        decl_line = FNR
    t = text
    while (match(t, /[{};]/)) {
        before = substr(t, 1, RSTART - 1)
        c = substr(t, RSTART, 1)
        t = substr(t, RSTART + 1)
        if (depth == 0)
            decl = decl " " before
        if (c == "{") {
            if (depth == 0)
                open_block()
            depth++
        } else if (c == "}") {
            if (depth > 0)
                depth--
            if (depth == 0) {
                if (fn != "")
                    wall(file ":" fn, fn_line, FNR - fn_line + 1, 70, "the function " fn, \
                        "ifs up, loops down, leaves out")
                fn = ""
                decl = ""
                decl_line = FNR + 1
            }
        } else if (depth == 0) {
            decl = ""
            decl_line = FNR + 1
        }
    }
    if (depth == 0 && t ~ /[^ \t]/) {
        if (decl !~ /[^ \t]/)
            decl_line = FNR
        decl = decl " " t
    }
}

function open_block(    d) {
    fn = ""
    if (decl ~ /=/ || decl !~ /\)[ \t]*([A-Z_]+[ \t]*)?$/)
        return
    d = " " decl
    gsub(/__attribute__[ \t]*\(\(([^()]|\([^()]*\))*\)\)/, "", d)
    if (match(d, /[^A-Za-z0-9_][a-z_][A-Za-z0-9_]*[ \t]*\(/)) {
        fn = substr(d, RSTART + 1, RLENGTH - 1)
        sub(/[ \t]*\($/, "", fn)
    }
    fn_line = decl_line
}

END {
    if (file != "")
        end_file()
    file = ratchet_file
    for (key in ratchet)
        if (!(key in ratchet_used))
            say(ratchet_line[key], key " no longer needs its entry: remove the line")
}
