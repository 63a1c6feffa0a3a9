-- Those who signed up and never opened the link, found without looking at everybody.

CREATE INDEX app_user_unverified ON app_user (created_us)
    WHERE verified_us = 0 AND deleted_us = 0;
