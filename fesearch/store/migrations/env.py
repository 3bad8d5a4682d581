"""What alembic runs to upgrade: our tables only, in the transaction of the connection given."""

from alembic import context

from fesearch.store.upgrade import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    version_table=VERSION_TABLE,
    transactional_ddl=True,  # SQLite's too, as our connections begin their transactions themselves
)
with context.begin_transaction():
    context.run_migrations()
