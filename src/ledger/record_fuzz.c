/* Any bytes: what the decoder takes, the encoder writes back byte by byte. */
#include "ledger/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str left = str_of((const char *)data, size);
    struct buf again;
    buf_init(&again, size + 4096);
    for (;;) {
        struct str before = left;
        struct record r;
        if (record_take(&left, &r) != OK)
            break;
        must(left.n < before.n);
        buf_reset(&again);
        record_put(&again, &r);
        must(str_eq(buf_str(&again), str_upto(before, before.n - left.n)));
    }
    buf_fini(&again);
    return 0;
}
