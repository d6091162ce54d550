"""What alembic runs: migrations on the connection it was given, or written out as SQL for another database."""

from alembic import context

from pyopenshell.gateway.store import schema

_options = context.config.attributes
if context.is_offline_mode():
    context.configure(
        dialect_name=_options["dialect"],
        target_metadata=schema.metadata,
        version_table=schema.VERSION_TABLE,
        literal_binds=True,
    )
else:
    context.configure(
        connection=_options["connection"],
        target_metadata=schema.metadata,
        version_table=schema.VERSION_TABLE,
        render_as_batch=True,
    )
with context.begin_transaction():
    context.run_migrations()
