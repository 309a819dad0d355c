"""Makes Bugsink ready to use: a project with a DSN known beforehand, an API token, and an alert.

Runs inside `bugsink-manage shell` at each start of the container, so every step
leaves what is already there as its user has changed it, except for what
docker-compose.yml's variables decide.
"""

import json
import os
import uuid

from alerts.models import MessagingServiceConfig
from bsmain.models import AuthToken
from bugsink.transaction import immediate_atomic
from projects.models import Project, ProjectMembership, ProjectRole
from teams.models import Team, TeamMembership, TeamRole
from users.models import User

WEBHOOK = "Throughline alert webhook"

with immediate_atomic():
    admin = User.objects.filter(is_superuser=True).order_by("pk").first()
    team, _ = Team.objects.get_or_create(name="throughline")
    # The id is part of the DSN.
    project, _ = Project.objects.get_or_create(
        id=1,
        defaults={
            "name": "throughline",
            "team": team,
            "retention_max_event_count": int(os.environ["MAX_RETENTION_EVENT_COUNT"]),
        },
    )
    sentry_key = uuid.UUID(os.environ["BUGSINK_SENTRY_KEY"])
    if project.sentry_key != sentry_key:
        project.sentry_key = sentry_key
        project.save(update_fields=["sentry_key"])

    if admin is not None:
        TeamMembership.objects.get_or_create(
            team=team, user=admin, defaults={"role": TeamRole.ADMIN, "accepted": True}
        )
        ProjectMembership.objects.get_or_create(
            project=project, user=admin, defaults={"role": ProjectRole.ADMIN, "accepted": True}
        )

    token = os.environ["BUGSINK_API_TOKEN"]
    if not AuthToken.objects.filter(token=token).exists():
        AuthToken.create_full_access(token=token, description="Throughline stack")

    # The project alerts on new, returned and unmuted issues by Bugsink's own default.
    MessagingServiceConfig.objects.update_or_create(
        project=project,
        display_name=WEBHOOK,
        defaults={
            "kind": "custom",
            "config": json.dumps({"webhook_url": os.environ["ALERT_WEBHOOK_URL"]}),
        },
    )

print(f"seeded: DSN {project.dsn}")
