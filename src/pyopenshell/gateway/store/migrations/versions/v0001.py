"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them."""
    _workspaces_and_profiles()
    _sandboxes()
    _of_sandboxes()
    _providers()


def _workspaces_and_profiles() -> None:
    op.create_table(
        "workspaces",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("labels", sa.JSON, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("resource_version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_workspaces"),
    )
    op.create_table(
        "profiles",
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("kind", "workspace", "name", name="pk_profiles"),
    )


def _sandboxes() -> None:
    op.create_table(
        "sandboxes",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("labels", sa.JSON, nullable=False),
        sa.Column("annotations", sa.JSON, nullable=False),
        sa.Column("spec", sa.LargeBinary, nullable=False),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text),
        sa.Column("exit_code", sa.Integer),
        sa.Column("workdir", sa.Text),
        sa.Column("policy_version", sa.BigInteger, nullable=False),
        sa.Column("restarts", sa.BigInteger, nullable=False),
        sa.Column("resource_version", sa.BigInteger, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("main_started", sa.BigInteger),
        sa.Column("request_id", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_sandboxes"),
        sa.ForeignKeyConstraint(["workspace"], ["workspaces.name"], name="fk_sandboxes_workspace_workspaces"),
    )
    op.create_index("ix_sandboxes_name", "sandboxes", ["name"], unique=True)
    op.create_index("ix_sandboxes_workspace_request_id", "sandboxes", ["workspace", "request_id"], unique=True)


def _of_sandboxes() -> None:
    op.create_table(
        "revisions",
        sa.Column("sandbox_id", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("loaded", sa.BigInteger),
        sa.Column("annotations", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("sandbox_id", "version", name="pk_revisions"),
        sa.ForeignKeyConstraint(
            ["sandbox_id"], ["sandboxes.id"], name="fk_revisions_sandbox_id_sandboxes", ondelete="CASCADE"
        ),
    )
    op.create_table(
        "tokens",
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("sandbox_id", sa.Text, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False),
        sa.Column("revoked", sa.BigInteger),
        sa.PrimaryKeyConstraint("digest", name="pk_tokens"),
        sa.ForeignKeyConstraint(
            ["sandbox_id"], ["sandboxes.id"], name="fk_tokens_sandbox_id_sandboxes", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_tokens_sandbox_id", "tokens", ["sandbox_id"])
    op.create_index("ix_tokens_expires", "tokens", ["expires"])


def _providers() -> None:
    op.create_table(
        "providers",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("labels", sa.JSON, nullable=False),
        sa.Column("credentials", sa.JSON, nullable=False),
        sa.Column("config", sa.JSON, nullable=False),
        sa.Column("expirations", sa.JSON, nullable=False),
        sa.Column("resource_version", sa.BigInteger, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_providers"),
        sa.ForeignKeyConstraint(["workspace"], ["workspaces.name"], name="fk_providers_workspace_workspaces"),
    )
    op.create_index("ix_providers_workspace_name", "providers", ["workspace", "name"], unique=True)
