# The requests of the event service before ovr, as its documentation prints them; one command a paragraph.
# tests/system/test_web_api.py runs each against a node, with the node's port for 8088.

curl http://localhost:8088/health

curl -X POST http://localhost:8088/api/event/start \
  -H "Content-Type: application/json" \
  -d '{
    "system_id": "rig_01",
    "event_id": "startup",
    "location": "warehouse",
    "note": "Initial power-on test"
  }'

# End specific event
curl -X POST http://localhost:8088/api/event/end \
  -H "Content-Type: application/json" \
  -d '{"system_id": "rig_01", "event_id": "startup"}'

# End currently active event (event_id optional)
curl -X POST http://localhost:8088/api/event/end \
  -H "Content-Type: application/json" \
  -d '{"system_id": "rig_01"}'

curl -X POST http://localhost:8088/api/location/set \
  -H "Content-Type: application/json" \
  -d '{"system_id": "rig_01", "location": "field_site_a"}'

curl -X POST http://localhost:8088/api/note \
  -H "Content-Type: application/json" \
  -d '{
    "system_id": "rig_01",
    "event_id": "startup",
    "msg": "Voltage dropped to 47V for 3 seconds"
  }'

# Status for specific system
curl http://localhost:8088/api/status?system_id=rig_01 | jq .

# All systems
curl http://localhost:8088/api/status | jq .

curl -X POST http://localhost:8088/api/event/start \
  -H "Content-Type: application/json" \
  -H "X-API-Key: your_secret_key_here" \
  -d '{"system_id": "rig_01", "event_id": "test"}'

curl -X POST http://localhost:8088/api/reports/generate \
  -H "x-api-key: your_api_key" \
  -H "Content-Type: application/json" \
  -d '{"event_id": "startup"}'

curl http://localhost:8088/api/map-tiles/status | jq .

curl -X POST http://localhost:8088/api/map-tiles/increment \
  -H "Content-Type: application/json" \
  -d '{"provider":"mapbox","count":5,"month_key":"2026-01"}'

curl http://localhost:8088/metrics | rg "map_tiles_month_(total|pct)"

curl https://map.<domain>/api/fleet/map-tiles/status | jq .

curl -X POST https://map.<domain>/api/fleet/map-provider/preferred \
  -H "Content-Type: application/json" \
  -d '{"provider":"esri"}'
