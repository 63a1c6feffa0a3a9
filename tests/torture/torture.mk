# The auditor's own eye on a house's database.
TORTURE_O := $(BUILD)/obj/tests/torture/sql.o

$(TORTURE_O): $(BUILD)/obj/%.o: %.c $(BUILD)/flags Makefile
	@mkdir -p $(@D)
	$(call say,CC,$<) $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(BUILD)/torture-sql: $(TORTURE_O) $(call libs,base)
	$(LINK) $(PKG_LD)

-include $(TORTURE_O:.o=.d)
torture soak: $(BUILD)/torture-sql
suites: $(if $(filter torture,$(SUITES)),$(BUILD)/torture-sql)
