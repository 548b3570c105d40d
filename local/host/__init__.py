"""The local Functions host: runs a function app on this machine as Azure does.

It drives the worker library of Azure (`worker.py`) and gives the triggers the semantics of host.json:
queues (`queue_trigger.py`), timers (`timer_trigger.py`), HTTP (`http_trigger.py`). Several hosts may run
on one storage account. It lacks scaling by the platform, `functionTimeout`, time zones of timers
(`WEBSITE_TIME_ZONE`), other triggers, input bindings, and output bindings other than queues and HTTP.

    python -m local.host --app . --settings local.settings.json
"""
