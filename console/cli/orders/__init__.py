"""Commands on orders: plans with their approval, holds, and the lives of orders."""
