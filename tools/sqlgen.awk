# Turns statements and migrations into C, for both engines. Called by tools/sqlgen; plain POSIX awk.
# What the words mean is in docs/rooms/store.md. A mistake is told as "file:line: what, and what to
# do", all of them at once, and then nothing is written.

function say(line, what) {
    printf "%s:%d: %s\n", file, line, what > "/dev/stderr"
    mistakes++
}

# A block is one statement, or one migration. Its text is collected per engine.
function begin_block(line) {
    block_line = line
    part = "both"
    for (e in engines) {
        text[e] = ""
        first[e] = 0
        own[e] = 0
        common[e] = ""
        common_line = 0
    }
}

function add_line(s,    e) {
    for (e in engines) {
        if (part != "both" && part != e)
            continue
        # A statement's own variant stands instead of the common text, a migration's beside it.
        if (part == e && !own[e] && !is_migration) {
            text[e] = ""
            first[e] = 0
            own[e] = 1
        }
        if (part == "both" && own[e] && !is_migration) {
            if (s ~ /[^ \t]/ && s !~ /^[ \t]*--/)
                say(FNR, "common text after a variant: put it before, it is what the other engine gets")
            continue
        }
        if (!first[e]) {
            if (s !~ /[^ \t]/)
                continue
            first[e] = FNR
        }
        # Blank lines stand for those of other parts, so that line numbers stay right.
        while (first[e] + lines_of(text[e]) < FNR)
            text[e] = text[e] "\n"
        text[e] = text[e] s "\n"
    }
}

function lines_of(s,    t) {
    t = s
    return gsub(/\n/, "", t)
}

function end_block(    e) {
    if (block_line == 0)
        return
    for (e in engines) {
        if (text[e] !~ /[^ \t\n]/ && !is_migration)
            say(block_line, name " has no text for " e ": give it a common block, or one after \"-- " e ":\"")
        done[e] = convert(text[e], e, first[e])
        params[e] = params_max
    }
    if (is_migration)
        add_migration()
    else
        add_statement()
    block_line = 0
}

function add_statement() {
    if (params["sqlite"] != params["postgres"])
        say(block_line, name " has " params["sqlite"] " parameters for sqlite and " params["postgres"] " for postgres: both must use the same")
    n_statements++
    s_name[n_statements] = name
    s_params[n_statements] = params["sqlite"]
    s_sqlite[n_statements] = done["sqlite"]
    s_postgres[n_statements] = done["postgres"]
    s_rows[n_statements] = rows
    s_many[n_statements] = rows ? many_rows(done["sqlite"], params["sqlite"]) : ""
}

# The statement for `rows` rows at once, as SQLite takes it. OR FAIL, because what fails fails the
# transaction: without it SQLite would keep a journal of each such statement, to undo it alone.
function many_rows(s, n,    form, head, one, list, i, k) {
    form = "^INSERT INTO [A-Za-z0-9_]+ *\\([A-Za-z0-9_, ]+\\) *VALUES *\\([?0-9, ]+\\)" \
        "( *ON CONFLICT *\\([A-Za-z0-9_, ]+\\) *DO NOTHING)?$"
    list = s
    sub(/^.*VALUES *\(/, "", list)
    sub(/\).*$/, "", list)
    gsub(/ /, "", list)
    for (i = 1; i <= n; i++)
        one = one (i > 1 ? "," : "") "?" i
    if (s !~ form || n == 0 || list != one) {
        say(rows_line, name " is not put by the hundred: that needs a plain INSERT INTO t (…) VALUES ($1, …, $n), and behind it at most ON CONFLICT (…) DO NOTHING")
        return ""
    }
    match(s, /VALUES *\([^)]*\)/)
    head = substr(s, 1, RSTART - 1) "VALUES "
    sub(/^INSERT/, "INSERT OR FAIL", head)
    s = substr(s, RSTART + RLENGTH)
    for (k = 0; k < rows; k++) {
        head = head (k ? ", (" : "(")
        for (i = 1; i <= n; i++)
            head = head (i > 1 ? ", ?" : "?") k * n + i
        head = head ")"
    }
    return head s
}

function add_migration() {
    n_migrations++
    m_version[n_migrations] = version
    m_name[n_migrations] = name
    m_sqlite[n_migrations] = done["sqlite"]
    m_postgres[n_migrations] = done["postgres"]
}

# A type word of a migration as the engine spells it.
function type_word(w, engine,    u) {
    u = toupper(w)
    if (engine == "sqlite") {
        if (u == "BIGINT")
            return "INTEGER"
        if (u == "BYTES" || u == "BYTEA" || u == "BLOB")
            return "BLOB"
        return w
    }
    if (u == "INTEGER" || u == "INT")
        return "bigint"
    if (u == "BYTES" || u == "BLOB")
        return "bytea"
    if (u == "TEXT" && part_of_table)
        return "text COLLATE \"C\""
    return w
}

# The text as the engine takes it: without comments, parameters numbered its way, types mapped.
# Sets params_max.
function convert(s, engine, line,    out, c, n, w, k, rest, seen, word_n, tail, at) {
    out = ""
    params_max = 0
    split("", seen)
    word_n = 0
    is_table = 0
    part_of_table = 0
    while (s != "") {
        if (!match(s, /[A-Za-z_][A-Za-z0-9_]*|\$[0-9]*|--[^\n]*|\/\*|'|"|;|\n|::|\?/)) {
            out = out s
            break
        }
        out = out substr(s, 1, RSTART - 1)
        w = substr(s, RSTART, RLENGTH)
        s = substr(s, RSTART + RLENGTH)
        c = substr(w, 1, 1)
        if (c == "\n") {
            line++
            out = out "\n"
        } else if (substr(w, 1, 2) == "--") {
            continue
        } else if (w == "/*") {
            at = index(s, "*/")
            if (at == 0) {
                say(line, "a comment that is not closed")
                return out
            }
            line += lines_of(substr(s, 1, at))
            s = substr(s, at + 2)
            out = out " "
        } else if (c == "'" || c == "\"") {
            at = index(s, c)
            if (at == 0 || index(substr(s, 1, at), "\n") != 0) {
                say(line, "a quote that is not closed on its line: close it with " c)
                return out
            }
            out = out c substr(s, 1, at)
            s = substr(s, at + 1)
        } else if (c == "$") {
            n = substr(w, 2) + 0
            if (w == "$" || n < 1 || n > 32)
                say(line, "a parameter is $1 to $32, not \"" w "\"")
            else if (is_migration)
                say(line, "a migration has no parameters")
            seen[n] = 1
            if (n > params_max)
                params_max = n
            out = out (engine == "sqlite" ? "?" n : w)
        } else if (w == "?") {
            say(line, "parameters are written $1, $2, …: sqlgen makes ?1 of them")
            out = out w
        } else if (w == "::") {
            if (engine == "sqlite")
                say(line, "SQLite has no \"::\": write CAST(x AS type)")
            out = out w
        } else if (w == ";") {
            if (!is_migration) {
                rest = s
                gsub(/--[^\n]*/, "", rest)
                if (rest ~ /[^ \t\n]/)
                    say(line, "one statement per name: what follows the \";\" needs its own \"-- name:\"")
                continue
            }
            out = end_statement(out, engine) ";"
            word_n = 0
            is_table = 0
            part_of_table = 0
        } else {
            word_n++
            if (word_n == 1)
                w1 = toupper(w)
            if (word_n == 2) {
                is_table = w1 == "CREATE" && toupper(w) == "TABLE"
                part_of_table = is_table || (w1 == "ALTER" && toupper(w) == "TABLE")
            }
            out = out (is_migration ? type_word(w, engine) : w)
        }
    }
    for (k = 1; k <= params_max; k++)
        if (!(k in seen))
            say(line - 1, "parameter $" k " is not used, though $" params_max " is: number them from $1 without gaps")
    if (is_migration) {
        tail = out
        sub(/^(.|\n)*;/, "", tail)
        if (tail ~ /[^ \t\n]/)
            say(line - 1, "the last statement needs a \";\"")
    }
    return tidy_text(out)
}

# SQLite's tables are STRICT; PostgreSQL knows nothing of rowids.
function end_statement(out, engine,    rowid) {
    if (!is_table)
        return out
    sub(/[ \t\n]+$/, "", out)
    sub(/[ \t\n]*,?[ \t\n]*STRICT$/, "", out)
    rowid = sub(/[ \t\n]*WITHOUT[ \t\n]+ROWID$/, "", out)
    if (engine == "sqlite")
        out = out (rowid ? " WITHOUT ROWID, STRICT" : " STRICT")
    return out
}

function tidy_text(s) {
    gsub(/[ \t]+\n/, "\n", s)
    gsub(/\n+/, "\n", s)
    sub(/^[ \t\n]+/, "", s)
    sub(/[ \t\n]+$/, "", s)
    if (!is_migration)
        gsub(/\n[ \t]*/, " ", s)
    return s
}

function quoted(s) {
    gsub(/\\/, "\\\\", s)
    gsub(/"/, "\\\"", s)
    gsub(/\n/, "\\n\"\n     \"", s)
    return "\"" s "\""
}

function start_file(    a, n, base) {
    end_block()
    file = FILENAME
    is_migration = index(file, migrations "/") == 1
    n = split(file, a, "/")
    base = a[n]
    if (!is_migration)
        return
    if (base !~ /^[0-9][0-9][0-9][0-9]_[a-z0-9_]+\.sql$/)
        say(1, "a migration is called NNNN_name.sql: four digits, lower case")
    version = substr(base, 1, 4) + 0
    name = substr(base, 6)
    sub(/\.sql$/, "", name)
    if (version in version_file)
        say(1, "version " version " is taken by " version_file[version] ": take the next number")
    version_file[version] = file
    begin_block(1)
}

BEGIN {
    engines["sqlite"] = 1
    engines["postgres"] = 1
    block_line = 0
}

FNR == 1 { start_file() }

{ sub(/\r$/, "") }

/^--[ \t]*name:/ && !is_migration {
    end_block()
    name = $0
    sub(/^--[ \t]*name:[ \t]*/, "", name)
    sub(/[ \t]+$/, "", name)
    if (name !~ /^[A-Z][A-Z0-9_]*$/)
        say(FNR, "\"" name "\" is no name: upper case letters, digits and _")
    else if (name in name_at)
        say(FNR, name " was named before at " name_at[name])
    name_at[name] = file ":" FNR
    begin_block(FNR)
    rows = 0
    next
}

/^--[ \t]*rows:/ && !is_migration {
    rows_line = FNR
    rows = $0
    sub(/^--[ \t]*rows:[ \t]*/, "", rows)
    sub(/[ \t]+$/, "", rows)
    if (rows !~ /^[0-9]+$/ || rows + 0 < 2 || rows + 0 > 32) {
        say(FNR, "\"" rows "\" is no number of rows at once: 2 to 32")
        rows = 0
    }
    rows += 0
    if (block_line == 0 || FNR != block_line + 1)
        say(FNR, "\"-- rows:\" stands on the line right below its \"-- name:\"")
    next
}

/^--[ \t]*(postgres|sqlite|both):/ {
    part = $0
    sub(/^--[ \t]*/, "", part)
    rest_of_line = part
    sub(/:.*/, "", part)
    sub(/^[a-z]*:[ \t]*/, "", rest_of_line)
    if (rest_of_line != "")
        say(FNR, "the text of \"-- " part ":\" begins on the next line")
    if (block_line == 0)
        say(FNR, "\"-- " part ":\" belongs below a \"-- name:\"")
    next
}

block_line == 0 {
    if ($0 ~ /[^ \t]/ && $0 !~ /^[ \t]*--/)
        say(FNR, "text before the first \"-- name: SOMETHING\"")
    next
}

{ add_line($0) }

END {
    end_block()
    if (mistakes)
        exit 1
    print "/* Generated by tools/sqlgen from src/store/sql and src/store/migrations. */" > header
    print "#ifndef GEN_SQL_H\n#define GEN_SQL_H\n\n#include <stddef.h>\n" > header
    print "enum sql_id {" > header
    for (i = 1; i <= n_statements; i++)
        print "    SQL_" s_name[i] "," > header
    print "    SQL__COUNT\n};\n" > header
    print "struct sql_statement {\n    const char *name;\n    unsigned params;" > header
    print "    const char *sqlite, *postgres;" > header
    print "    /* For statements put by the hundred: rows of many_rows at once; else 0 and NULL. */" > header
    print "    unsigned rows;\n    const char *many_rows;\n};" > header
    print "/* By sql_id; one empty row behind the last. */" > header
    print "extern const struct sql_statement sql_statements[];\n" > header
    print "struct sql_migration {\n    int version;\n    const char *name;" > header
    print "    const char *sqlite, *postgres;\n};" > header
    print "/* Ascending; one row with version -1 behind the last. */" > header
    print "extern const struct sql_migration sql_migrations[];\n" > header
    print "#endif" > header

    print "/* Generated by tools/sqlgen. */\n#include \"sql.h\"\n" > source
    print "const struct sql_statement sql_statements[] = {" > source
    for (i = 1; i <= n_statements; i++)
        print "    {\"" s_name[i] "\", " s_params[i] ",\n     " quoted(s_sqlite[i]) ",\n     " quoted(s_postgres[i]) ",\n     " (s_rows[i] ? s_rows[i] ", " quoted(s_many[i]) : "0, NULL") "}," > source
    print "    {NULL, 0, NULL, NULL, 0, NULL},\n};\n" > source
    print "const struct sql_migration sql_migrations[] = {" > source
    # By version, whatever order the files came in.
    for (v = 0; v <= 9999; v++)
        for (i = 1; (v in version_file) && i <= n_migrations; i++)
            if (m_version[i] == v)
                print "    {" v ", \"" m_name[i] "\",\n     " quoted(m_sqlite[i]) ",\n     " quoted(m_postgres[i]) "}," > source
    print "    {-1, NULL, NULL, NULL},\n};" > source
}
