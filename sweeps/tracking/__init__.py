"""A study's history on disk first, then in MLflow: spool → shipper → runs."""
