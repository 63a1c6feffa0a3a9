/* What is wrong with what the operator wrote, in words for him; NULL: nothing.
 *
 * Owns: nothing.  Needs: catalog.h.  Threads: any.  Memory: static text.  Errors: none. */
#ifndef CATALOG_FAULTS_H
#define CATALOG_FAULTS_H

#include "catalog/catalog.h"

const char *catalog_provider_fault(const struct catalog_provider_spec *spec);
const char *catalog_route_fault(const struct catalog_route_spec *spec);
const char *catalog_price_fault(const struct catalog_price *price);
const char *catalog_rule_fault(const struct catalog_rule *rule);
const char *catalog_model_fault(const struct catalog_model *model);

#endif
