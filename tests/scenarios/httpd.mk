# The server of the c* and d* plays: the http and upstream rooms with nothing above them.
HTTPD_O := $(BUILD)/obj/tests/scenarios/httpd.o $(BUILD)/obj/tests/scenarios/httpd_proxy.o

$(HTTPD_O): $(BUILD)/obj/%.o: %.c $(BUILD)/flags Makefile
	@mkdir -p $(@D)
	$(call say,CC,$<) $(CC) $(CPPFLAGS_ALL) -I. $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(BUILD)/httpd: $(HTTPD_O) $(call libs,http upstream codec loop base)
	$(LINK) $(PKG_LD)

-include $(HTTPD_O:.o=.d)
scenarios: $(BUILD)/httpd
